"""Skills made from held-out text: right answers right, and no answer a good guess."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise, permutations

import numpy as np
import pytest

from bayescale.trainer import skills
from bayescale.trainer.corpora import _words, matched_prose
from bayescale.trainer.corpora._common import Document
from bayescale.trainer.errors import TrainerError
from bayescale.trainer.skills import Item

VERBS = "He is here. They are here. We are late. She was there. They were away. It was old. I am he. Thou art she. "
CODE = """\
import os
def first(a):
    if a in {one: two
    } or a:
        return [b for b in values]
    while a:
        a = compute(a + 1)
        other = [total + a]
        third = {total: other}
        return third
"""


def made(name: str, *texts: str) -> list[Item]:
    return list(skills.items_of(texts, only=[name], fewest=1).get(name, []))


def right(item: Item) -> str:
    return item.choices[item.target]


def test_there_is_a_file_a_skill() -> None:
    assert skills.names() == ["agreement", "brackets", "indentation", "last_word", "word_order"]


def test_items_are_the_same_every_time_and_at_most_so_many() -> None:
    text = " ".join(f"The old man number {n} saw the {w} house." for n, w in enumerate("abcdefgh" * 30))
    once, again = (skills.items_of([text], only=["word_order"], most=50, fewest=1) for _ in range(2))
    assert once["word_order"] == again["word_order"]
    assert len(once["word_order"]) == 50
    assert skills.sha256(once["word_order"]) == skills.sha256(again["word_order"])
    assert not skills.items_of(["Nothing here."])
    with pytest.raises(TrainerError, match="there is no 'spelling' in skills"):
        skills.items_of([text], only=["spelling"])


def test_agreement_takes_the_verb_of_the_text() -> None:
    items = made("agreement", VERBS)
    said = {(item.context.split()[-1].lower(), right(item).strip()) for item in items}
    assert said <= {("he", "is"), ("they", "are"), ("we", "are"), ("she", "was"), ("they", "were"), ("it", "was"),
                    ("i", "am"), ("thou", "art")}  # fmt: skip
    assert {tuple(sorted(item.choices)) for item in items} >= {(" are", " is"), (" was", " were")}


def test_a_subjunctive_is_no_item() -> None:
    text = "If he were here. They was here. He are. He was away. They were away. I were he. She is so. "
    assert Counter(item.context.split()[-1] for item in made("agreement", text)) == {"He": 1, "They": 1}


@pytest.mark.parametrize("name", ["agreement", "brackets", "indentation"])
def test_preferring_one_answer_whatever_the_context_scores_at_chance(name: str) -> None:
    generator = np.random.default_rng(3)
    subjects = ["He is", "They are", "She is", "It is", "We are", "He was", "They were", "I was", "Thou art"]
    prose = " ".join(f"{subjects[generator.integers(9)]} number {n} here." for n in range(300))
    lines = []
    for n in range(300):
        kind = generator.integers(3)
        lines.append(f"f{n}{'([{'[kind]}alpha beta{')]}'[kind]} end")
    brackets = "\n".join(lines)
    code = "".join(f"if a{n}:\n    b{n} = {n}\n    c = 'x'\n    d = 'y'\n" for n in range(40))
    items = made(name, {"agreement": prose, "brackets": brackets, "indentation": code}[name])
    assert len(items) >= 30
    if name == "indentation":
        for deepest in (False, True):
            pick = max if deepest else min
            hits = sum(right(i) == pick(i.choices, key=len) for i in items)
            assert hits == len(items) / 2
        return
    answers = sorted({choice for item in items for choice in item.choices})
    for order in permutations(answers) if len(answers) < 5 else [answers, answers[::-1]]:
        for choices, count in Counter(tuple(sorted(i.choices)) for i in items).items():
            preferred = min(choices, key=order.index)
            these = [i for i in items if tuple(sorted(i.choices)) == choices]
            assert sum(right(i) == preferred for i in these) == count / len(choices)


def test_word_order_exchanges_neighbours_and_nothing_else() -> None:
    sentence = "Then the old king went over the river."
    (item,) = made("word_order", sentence)
    wrong = item.choices[1 - item.target]
    assert right(item) == sentence
    assert sorted(wrong.split()) == sorted(sentence.split())
    differ = [n for n, (a, b) in enumerate(zip(sentence.split(), wrong.split(), strict=True)) if a != b]
    assert len(differ) == 2 and differ[1] == differ[0] + 1 and differ[0] > 0 and differ[1] < 7


def test_the_last_word_is_asked_for_among_four_that_end_sentences() -> None:
    ends = ["river", "mountain", "garden", "table", "window", "winter"]
    items = made("last_word", " ".join(f"The man of {w} went to the {w}." for w in ends))
    assert len(items) == 6
    for item in items:
        assert right(item) == f" {item.context.split()[3]}."
        assert len(set(item.choices)) == 4
        assert {choice.strip(" .") for choice in item.choices} <= set(ends)


def test_brackets_close_what_is_open() -> None:
    lines = [f"call{n}(alpha beta) and list{n}[gamma delta] then" for n in range(12)]
    items = made("brackets", "\n".join([*lines, "a smile :) no", "odd [alpha beta) no"]))
    assert len(items) == 24
    for item in items:
        line = item.context.splitlines()[-1]
        assert line.count("(") - line.count(")") == (right(item) == ")")
        assert sorted(item.choices) == [")", "]"]


def test_indentation_goes_in_after_a_colon_and_stays_after_a_statement() -> None:
    items = made("indentation", CODE)
    assert len(items) == 4  # two of each
    for item in items:
        last = item.context.splitlines()[-1]
        indent = len(last) - len(last.lstrip())
        spaces = len(right(item)) - len(right(item).lstrip())
        assert spaces == indent + 4 * last.endswith(":")


def test_stretches_are_as_long_as_asked_and_apart() -> None:
    text = " ".join(f"Sentence number {n} is about {'very ' * (n % 5)}little." for n in range(60))
    lengths = [200, 100, 50, 50]
    found = list(matched_prose.stretches(text, lengths, "a document"))
    assert found == list(matched_prose.stretches(text, lengths, "a document"))
    assert found != list(matched_prose.stretches(text, lengths, "another"))
    assert len(found) == 4
    spans = sorted((text.index(stretch), text.index(stretch) + len(stretch)) for stretch in found)
    assert all(first[1] <= second[0] for first, second in pairwise(spans))
    for stretch, length in zip(sorted(found, key=len), sorted(lengths), strict=True):
        assert stretch.startswith("Sentence")
        assert length <= len(stretch) + 1 <= length + 12  # the word that it ends in is whole
    # Where there is no room, there is none.
    assert list(matched_prose.stretches("One short sentence.", [500], "x")) == []


def test_words_are_counted_whatever_their_case() -> None:
    facts = _words.facts([Document("a", "The king, the KING."), Document("b", "A man; a dog")])
    assert (facts["words"], facts["distinct_words"]) == (8, 5)
    # Three words of two in eight, and two of one.
    expected = 3 * 0.25 * np.log(4) + 2 * 0.125 * np.log(8)
    assert facts["word_entropy"] == pytest.approx(expected, abs=1e-4)
