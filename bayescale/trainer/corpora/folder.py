"""Your own text: every file of a folder that matches a pattern, split by file; of Parquet files, by row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bayescale.trainer.corpora._common import Corpus, Document
from bayescale.trainer.corpora._repeats import prose_corpus
from bayescale.trainer.errors import TrainerError


def collect(path: str, pattern: str = "**/*.txt", licence: str = "unknown", column: str = "text") -> Corpus:
    """Gather a folder's files.

    Parameters
    ----------
    path : str
        The folder; the sweep file's own folder is where a relative path starts.
    pattern : str
        Which of its files, as in `pathlib.Path.glob`; those called *.parquet are read as tables.
    licence : str
        What the text may be used under, for the manifest.
    column : str
        Which column of a Parquet file is the text; a document is a row.

    Raises
    ------
    TrainerError
        If the folder has no such file, or one that is not UTF-8, or a Parquet file without that column.
    """
    root = Path(path)
    documents = []
    for file in sorted(root.glob(pattern)):
        if not file.is_file():
            continue
        name = file.relative_to(root).as_posix()
        if file.suffix == ".parquet":
            documents += [Document(f"{name} {row}", text) for row, text in _rows(file, column)]
            continue
        try:
            text = file.read_text("utf-8")
        except UnicodeDecodeError:
            raise TrainerError(
                f"{file} is not UTF-8; convert it, or choose a pattern that leaves it out"
            ) from None
        if text.strip():
            documents.append(Document(name, text))
    if not documents:
        raise TrainerError(f"{root} has no text in files that match {pattern!r}; check path and pattern")
    return prose_corpus(documents, source=f"files {pattern} of a folder", licence=licence)


def _rows(file: Path, column: str) -> Iterator[tuple[int, str]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        columns = pq.read_schema(file).names
        if column not in columns:
            raise TrainerError(f"{file} has no column {column!r}; its columns: {', '.join(columns)}")
        texts = pq.read_table(file, columns=[column])[column].to_pylist()
    except pa.ArrowInvalid as error:
        raise TrainerError(f"{file} is not Parquet ({error}); choose a pattern that leaves it out") from None
    for row, text in enumerate(texts):
        if text is not None and str(text).strip():
            yield row, str(text)
