"""Zero-shot skills of every trained model of a sweep: from weights to counts of right answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from bayescale.trainer import corpora, files, skills, tokenizer
from bayescale.trainer.after import harness
from bayescale.trainer.after.kept import Kept, Say, each, write_rows
from bayescale.trainer.after.scoring import encode_all, score
from bayescale.trainer.errors import TrainerError
from bayescale.trainer.plan import PlannedRun
from bayescale.trainer.skills import Item

Tests = dict[tuple[str, str], list[Item]]  # by the task whose text they are of, and the skill


def measure(
    kept: Kept,
    out: Path,
    also: Sequence[str] = (),
    tasks: Sequence[Path] = (),
    say: Say = print,
) -> pd.DataFrame:
    """Score every kept model on the skills of its own task's held-out text.

    Parameters
    ----------
    kept : Kept
        The trained sweep.
    out : Path
        The table, in long form: a row a run, a test and a skill.
    also : sequence of str
        Tasks of the sweep whose skills every model of text is scored on besides its own. Their held-out documents must
        be none that another task trains on; documents of one name are on one side of every split.
    tasks : sequence of Path
        Tasks in the format of lm-evaluation-harness, for every model.
    say : callable
        Told of each run.

    Returns
    -------
    DataFrame
        run_id, architecture, task, test (whose text the items are of), skill, items, correct, correct_norm, chance,
        brier_sum, loglik, items_sha256.
    """
    names = {run.config.task for run in kept.runs}
    own = {task: _own(kept, task, say) for task in sorted(names | set(also))}
    foreign: Tests = {}
    for path in tasks:
        name, items = harness.read(path)
        foreign["harness", name] = items
    if not foreign and not any(own.values()):
        raise TrainerError(
            f"no task has the {skills.FEWEST} items that a skill needs in its held-out text; add text, or give a "
            "harness task"
        )
    encoded: dict[tuple[str, str, str], Any] = {}

    def scores(run: PlannedRun) -> list[dict[str, Any]]:
        task = run.config.task
        model = kept.model(run)
        tests = {
            **own[task],
            **{key: items for other in also for key, items in own[other].items()},
            **foreign,
        }
        rows = []
        for (test, skill), items in tests.items():
            place = task, test, skill
            if place not in encoded:
                text = tokenizer.load((kept.data[task] / "tokenizer.json").read_text("utf-8"))
                encoded[place] = encode_all(text, items)
            rows.append(
                {
                    "run_id": run.config.run_id,
                    "architecture": run.config.architecture,
                    "task": task,
                    "test": test,
                    "skill": skill,
                    **asdict(score(model, items, encoded[place])),
                    "items_sha256": skills.sha256(items),
                }
            )
        return rows

    everything = {**{key: items for tests in own.values() for key, items in tests.items()}, **foreign}
    identity = {
        "also": list(also),
        "tests": {
            f"{test}/{skill}": skills.sha256(items) for (test, skill), items in sorted(everything.items())
        },
    }
    rows = [row for _, found in each(kept, "skills", identity, scores, say) for row in found]
    return write_rows(rows, out)


def _own(kept: Kept, name: str, say: Say) -> Tests:
    """Make a task's items, or find them made; beside them, files that lm-evaluation-harness reads."""
    task = kept.task(name)
    manifest = kept.dataset(name).manifest
    path = kept.work / "skills" / f"items-{name}-{manifest['corpus_sha256'][:8]}.json"
    if path.exists():
        stored = files.read_json(path)
        return {
            (name, skill): [Item(i["context"], tuple(i["choices"]), i["target"]) for i in items]
            for skill, items in stored.items()
        }
    corpus = corpora.collect(task.corpus, task.options)
    if corpus.sha256() != manifest["corpus_sha256"]:
        raise TrainerError(f"the text of task {name!r} has changed since it was trained on; train again")
    made = {} if corpus.alphabet else skills.items_of([d.text for d in corpus.held_out])
    say(
        f"{name}: " + (", ".join(f"{len(items)} items of {skill}" for skill, items in made.items()) or "none")
    )
    for skill, items in made.items():
        harness.write(kept.work / "skills" / "harness", f"{name}_{skill}", items)
    files.write_json(path, {skill: [asdict(item) for item in items] for skill, items in made.items()})
    return {(name, skill): items for skill, items in made.items()}
