"""Any dataset of the Hugging Face Hub, by name; a document is a row.

It needs the network and the extra `datasets`: pip install "bayescale[train,datasets]"
"""

from __future__ import annotations

from importlib import import_module

from bayescale.trainer.corpora._common import Corpus, Document
from bayescale.trainer.corpora._repeats import prose_corpus
from bayescale.trainer.errors import MissingExtra, TrainerError


def collect(
    name: str,
    config: str = "",
    split: str = "train",
    column: str = "text",
    documents: int = 20_000,
    licence: str = "",
    revision: str = "main",
) -> Corpus:
    """Gather the first rows of a dataset, streamed, so that a large one is not fetched whole.

    Parameters
    ----------
    name, config, split, revision : str
        The dataset, as `datasets.load_dataset` takes them.
    column : str
        Which column is the text.
    documents : int
        Rows with text to take.
    licence : str
        What the text may be used under; what the dataset's card says where absent.

    Raises
    ------
    MissingExtra
        If `datasets` is not installed.
    TrainerError
        If the dataset cannot be read, or has no such column.
    """
    try:
        datasets = import_module("datasets")  # optional, and without types
    except ImportError:
        raise MissingExtra(
            "corpus 'hugging_face' needs datasets, not installed here; run: pip install \"bayescale[datasets]\""
        ) from None
    try:
        rows = datasets.load_dataset(name, config or None, split=split, revision=revision, streaming=True)
        texts = []
        for row in rows:
            if column not in row:
                raise TrainerError(
                    f"dataset {name!r} has no column {column!r}; its columns: {', '.join(sorted(row))}"
                )
            if str(row[column]).strip():
                texts.append(str(row[column]))
            if len(texts) == documents:
                break
    except TrainerError:
        raise
    # Whatever goes wrong between here and the Hub has its own class; the user needs the line, not the stack.
    except Exception as error:
        raise TrainerError(f"dataset {name!r} cannot be read: {str(error).splitlines()[0]}") from None
    if not texts:
        raise TrainerError(f"dataset {name!r}, split {split!r}, has no text in column {column!r}")
    return prose_corpus(
        (Document(f"{number:07}", text) for number, text in enumerate(texts)),
        source=f"Hugging Face dataset {name}{f' ({config})' if config else ''}, split {split}, first {len(texts)} rows",
        licence=licence or str(getattr(rows.info, "license", "") or "unknown"),
        version=f"{revision} {rows.info.version or ''}".strip(),
    )
