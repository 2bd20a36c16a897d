"""What is held out is not trained on."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayescale.trainer import corpora
from bayescale.trainer.corpora import _debian, _repeats, python_code, python_docs, simple_prose
from bayescale.trainer.corpora._common import Corpus, Document, is_held_out, split
from bayescale.trainer.errors import TrainerError

HELD_OUT = next(f"{n}.py" for n in range(1000) if is_held_out(f"{n}.py"))
TRAIN = next(f"{n}.py" for n in range(1000) if not is_held_out(f"{n}.py"))


def library(monkeypatch: pytest.MonkeyPatch, module: object, files: dict[str, str]) -> None:
    monkeypatch.setattr(module, "library_files", lambda: iter(files.items()))


def test_the_split_is_by_name_and_about_a_twentieth() -> None:
    held_out = sum(is_held_out(f"file {n}") for n in range(20_000))
    assert 900 < held_out < 1100


def test_a_text_that_repeats_is_kept_once_and_in_train() -> None:
    train, held_out = split(
        [Document(HELD_OUT, "same"), Document(TRAIN, "same"), Document("z" + TRAIN, "same")]
    )
    assert [d.text for d in (*train, *held_out)] == ["same"]
    assert held_out == []


def test_a_block_that_train_has_is_cut_out_of_held_out(monkeypatch: pytest.MonkeyPatch) -> None:
    block = "".join(f"    statement number {n} of the copied block = value\n" for n in range(12))
    library(
        monkeypatch,
        python_code,
        {TRAIN: f"first = 1\n{block}last = 1\n", HELD_OUT: f"own = 1\n{block}\nown_too = 2\n"},
    )
    corpus = python_code.collect()
    assert corpus.held_out[0].text == "own = 1\n\nown_too = 2\n"
    assert block in corpus.train[0].text


def test_prose_is_docstrings_and_long_comments_without_doctests(monkeypatch: pytest.MonkeyPatch) -> None:
    remark = "# " + "a remark of some length, which says why the code below is as it is. " * 2
    source = f'''"""What this module is for, in a sentence.

>>> call(1)
2

And what else there is to say of it."""
x = 1  # {"a comment beside code is no prose of its own " * 5}
{remark}
# {"and goes on " * 5}

def f():
    """Short."""
'''
    monkeypatch.setattr(python_docs, "_topics", lambda: iter(()))
    library(
        monkeypatch,
        python_docs,
        {TRAIN: source, HELD_OUT: source + f"\n{remark}# other words, for a change\n"},
    )
    corpus = python_docs.collect()
    text = corpus.train[0].text
    assert "What this module is for" in text and "what else there is" in text
    assert "a remark of some length" in text and "goes on" in text
    assert ">>>" not in text and "\n2\n" not in text
    assert "comment beside code" not in text and "Short" not in text
    assert len(corpus.held_out) == 1 and "What this module is for" not in corpus.held_out[0].text


def test_a_file_that_does_not_parse_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(python_docs, "_topics", lambda: iter(()))
    good = '"""A docstring that is long enough to be prose."""\n'
    library(monkeypatch, python_docs, {TRAIN: good, "bad.py": "def :\n"})
    assert [d.name for d in python_docs.collect().train] == [TRAIN]


def test_a_folder_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has no text in files that match '\*\*/\*.txt'"):
        corpora.collect("folder", {"path": str(tmp_path)})
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(ValueError, match="is not UTF-8"):
        corpora.collect("folder", {"path": str(tmp_path)})
    with pytest.raises(ValueError, match="the options it takes: path, pattern, licence, column"):
        corpora.collect("folder", {"path": str(tmp_path), "glob": "*"})


def test_a_folder_of_parquet_is_read_by_row(tmp_path: Path) -> None:
    texts = [f"row {n} says something of its own, {n * n} times" for n in range(200)]
    pd.DataFrame({"text": [*texts, None, " "], "n": range(202)}).to_parquet(tmp_path / "a.parquet")
    corpus = corpora.collect("folder", {"path": str(tmp_path), "pattern": "*.parquet"})
    assert sorted(d.text for d in (*corpus.train, *corpus.held_out)) == sorted(texts)
    assert corpus.held_out
    with pytest.raises(ValueError, match=r"a\.parquet has no column 'body'; its columns: text, n"):
        corpora.collect("folder", {"path": str(tmp_path), "pattern": "*.parquet", "column": "body"})
    (tmp_path / "b.parquet").write_bytes(b"torn")
    with pytest.raises(ValueError, match=r"b\.parquet is not Parquet"):
        corpora.collect("folder", {"path": str(tmp_path), "pattern": "*.parquet"})


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("bible", "bible-kjv"),
        ("dictionary", "dict-gcide"),
        ("c_headers", "linux-libc-dev"),
        ("documentation", "linux-doc-6.1"),
        ("kernel_source", "linux-source-6.1"),
    ],
)
def test_a_package_that_is_absent_is_named(name: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_debian, "_query", lambda *arguments: "")
    monkeypatch.setattr(shutil, "which", lambda program: f"/usr/bin/{program}")
    with pytest.raises(ValueError, match=f"corpus '{name}' .*; run: apt-get install {package}$"):
        corpora.collect(name, {})
    monkeypatch.setattr(shutil, "which", lambda program: None)
    with pytest.raises(ValueError, match=f"corpus '{name}' .* there is no dpkg here"):
        corpora.collect(name, {})


def test_hugging_face_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ImportError, match=r'needs datasets, .*pip install "bayescale\[datasets\]"'):
        corpora.collect("hugging_face", {"name": "any"})


def test_hugging_face_reads_rows(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    texts = [f"row {n} says something of its own, {n * n} times" for n in range(100)]
    (tmp_path / "data").mkdir()
    pd.DataFrame({"text": texts, "n": range(100)}).to_parquet(tmp_path / "data" / "train-0.parquet")
    corpus = corpora.collect("hugging_face", {"name": str(tmp_path / "data"), "documents": 60})
    assert {d.text for d in (*corpus.train, *corpus.held_out)} == set(texts[:60])
    with pytest.raises(ValueError, match="has no column 'body'; its columns: n, text"):
        corpora.collect("hugging_face", {"name": str(tmp_path / "data"), "column": "body"})
    with pytest.raises(ValueError, match="cannot be read"):
        corpora.collect("hugging_face", {"name": str(tmp_path / "none")})


SMALL = frozenset(f"w{n}" for n in range(100))


def said(*counts: int, outside: int = 0) -> str:
    """Sentences of so many words inside the vocabulary, `outside` of the last one's not."""
    sentences = [[f"w{n}" for n in range(count)] for count in counts]
    for n in range(outside):
        sentences[-1][-1 - n] = f"rare{n}"
    return " ".join(" ".join(s).capitalize() + "." for s in sentences)


def test_spans_stay_inside_the_vocabulary() -> None:
    assert list(simple_prose.spans(said(20, 20), SMALL)) == [said(20, 20)]
    # 31 words are too few, and a sentence with another word in it ends a span at its start.
    assert list(simple_prose.spans(said(31), SMALL)) == []
    assert list(simple_prose.spans(said(20, 20) + " Rare. " + said(40), SMALL)) == [said(20, 20), said(40)]
    # A sentence of at least 32 words is cut ahead of the first word outside.
    (span,) = simple_prose.spans(said(40, outside=1), SMALL)
    assert span.split() == said(40).split()[:39]
    # One word in a hundred may be outside.
    long = said(*[20] * 6, outside=1)
    assert list(simple_prose.spans(long, SMALL)) == [long]


def test_spans_start_with_a_sentence() -> None:
    text = "Rare word here and w1 w2. " + said(35)
    assert list(simple_prose.spans(text, SMALL)) == [said(35)]


def test_simple_prose_is_simple_and_keeps_the_split(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    frequent = [f"w{n}" for n in range(50)]

    def page(n: int) -> str:
        start, other = generator.permutation(frequent), f"rare{n}"
        return f"{' '.join(start).capitalize()}. {other.capitalize()} {other} {other}.\n"

    documents = [Document(f"{n}", page(n)) for n in range(100)]
    source = _repeats.prose_corpus(documents, "s", "l", "v")
    real = corpora.collect
    monkeypatch.setattr(
        corpora, "collect", lambda name, options: source if name == "bible" else real(name, options)
    )
    corpus = simple_prose.collect(sources="bible", words=50)
    assert {d.name for d in corpus.held_out} == {d.name for d in source.held_out}
    assert not any("rare" in d.text.lower() for d in (*corpus.train, *corpus.held_out))
    with pytest.raises(ValueError, match="no span of 32 words of bible stays inside 3 words; raise words"):
        simple_prose.collect(sources="bible", words=3)


def test_the_hash_tells_split_and_text_apart() -> None:
    a, b = Document("a", "text"), Document("b", "more")
    hashes = {
        Corpus((a,), (b,), "", "").sha256(),
        Corpus((a, b), (), "", "").sha256(),
        Corpus((Document("a", "text!"),), (b,), "", "").sha256(),
    }
    assert len(hashes) == 3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bible", "dictionary", "c_headers", "simple_prose"])
def test_the_packages_corpora_keep_their_splits_apart(name: str) -> None:
    try:
        corpus = corpora.collect(name, {})
    except TrainerError as error:
        pytest.skip(str(error))
    manifest = corpus.manifest()
    assert manifest["version"] and manifest["train"]["bytes"] > 5e5  # type: ignore[index]
    assert not {d.text for d in corpus.train} & {d.text for d in corpus.held_out}
    assert {d.name for d in corpus.held_out} and all(is_held_out(d.name) for d in corpus.held_out)
    assert _repeats.unlike(corpus.train, corpus.held_out) == list(corpus.held_out) or name == "c_headers"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["python_code", "python_docs"])
def test_the_librarys_corpora_keep_their_splits_apart(name: str) -> None:
    corpus = corpora.collect(name, {})
    names = [{d.name for d in part} for part in (corpus.train, corpus.held_out)]
    texts = [{d.text for d in part} for part in (corpus.train, corpus.held_out)]
    assert names[0] and names[1] and not names[0] & names[1] and not texts[0] & texts[1]
    assert not any("site-packages" in n or "_sysconfigdata" in n for n in names[0] | names[1])
    manifest = corpus.manifest()
    assert manifest["licence"] == "PSF-2.0" and manifest["train"]["bytes"] > 1e6  # type: ignore[index]
    assert corpora.collect(name, {}).sha256() == corpus.sha256()
    if name == "python_code":
        known = {block for d in corpus.train for _, block in _repeats.blocks(d.text.splitlines())}
        left = [b for d in corpus.held_out for _, b in _repeats.blocks(d.text.splitlines()) if b in known]
        assert not left
