"""A sweep file that is wrong gets one line an error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bayescale.trainer.config import read_sweep


def errors(path: Path) -> list[str]:
    with pytest.raises(ValueError) as caught:
        read_sweep(path)
    return str(caught.value).splitlines()


def edited(path: Path, old: str, new: str) -> Path:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("width = 8", "widht = 8", "unknown key sizes[0].widht; did you mean 'width'?"),
        ("batch_min = 256", "batch_mni = 256", "unknown key training.batch_mni; did you mean 'batch_min'?"),
        ("architectures =", "architecture =", "unknown key architecture; did you mean 'architectures'?"),
        ("vocab = 300", "vocab = 3", "data.vocab: Input should be greater than or equal to 257"),
        ('"gpt", ', '"gtp", ', "architectures[0]: there is no architecture 'gtp'; choose from gpt, hawk"),
        ('"gpt", ', '"llama", ', "architectures names llama twice; name each once"),
        ('corpus = "folder"', 'corpus = "floder"', "tasks[0]: there is no corpus 'floder'; choose from "),
        ("batch_min = 256", "batch_min = 250", "training.batch_min 250 is not a multiple of data.context 32"),
        ("heads = 1", "", "sizes[0].heads is missing; add it"),
        (
            "tokens_per_param = [1]",
            'tokens_per_param = [1]\ncells = ["gpt/chian"]',
            "budgets[0].cells: 'gpt/chian' matches no cell; a cell is ARCHITECTURE/TASK, such as gpt/chain",
        ),
        (
            "batch_min = 256",
            'batch_min = 256\nschedule = "wsd"',
            'training: schedule "wsd" shares a trunk among horizons; say its warmup_steps',
        ),
        (
            "batch_min = 256",
            'batch_min = 256\nschedule = "wsd"\nwarmup_steps = 9',
            'training: schedule "wsd" shares a trunk among horizons, which needs one batch size; '
            "set batch_min and batch_max to the same",
        ),
        (
            '["gpt", "llama"]',
            '["gpt", {name = "m", kind = "moe", expert = 8}]',
            "unknown key architectures[1].expert; did you mean 'experts'?",
        ),
    ],
)
def test_a_slip_gets_one_line_with_file_and_key(
    sweep_file: Callable[..., Path], old: str, new: str, said: str
) -> None:
    path = edited(sweep_file(), old, new)
    (line,) = errors(path)
    assert line.startswith(f"{path}: {said}")


def test_every_error_is_listed(sweep_file: Callable[..., Path]) -> None:
    path = edited(edited(sweep_file(), "width = 8", "width = -8"), "context = 32", 'context = "long"')
    assert len(errors(path)) == 2


def test_no_file_and_no_toml(tmp_path: Path) -> None:
    assert "does not exist" in errors(tmp_path / "none.toml")[0]
    (tmp_path / "bad.toml").write_text("name = \n", "utf-8")
    assert "is not TOML" in errors(tmp_path / "bad.toml")[0]


def test_a_task_may_be_a_name(sweep_file: Callable[..., Path]) -> None:
    path = sweep_file()
    text = path.read_text("utf-8")
    start, end = text.index("[[tasks]]"), text.index("[data]")
    path.write_text('tasks = ["python_code"]\n' + text[:start] + text[end:], "utf-8")
    (task,) = read_sweep(path).tasks
    assert (task.name, task.corpus) == ("python_code", "python_code")


def test_a_folder_is_found_from_the_sweep_file(sweep_file: Callable[..., Path], texts: Path) -> None:
    path = edited(sweep_file(), texts.as_posix(), "my/texts")
    assert read_sweep(path).tasks[0].options["path"] == str(path.parent / "my/texts")


def test_the_bundled_sweep_reads() -> None:
    sweep = read_sweep(Path(__file__).parents[2] / "runs" / "small-lm" / "sweep.toml")
    flops = sorted(b.flops for b in sweep.budgets)
    assert flops[-1] / flops[0] >= 100
    assert {b.split for b in sweep.budgets} == {"fit", "holdout"}
