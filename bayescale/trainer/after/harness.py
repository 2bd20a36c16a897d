"""Tasks in the format of EleutherAI's lm-evaluation-harness: a YAML file, and the documents it names.

Of the format this takes multiple choice (`output_type: multiple_choice`) over documents in JSON lines, a JSON list,
CSV or Parquet beside the YAML file, or of a data set on the Hugging Face hub by name (`pip install
bayescale[datasets]`, and a network): `doc_to_text`, `doc_to_choice` and `doc_to_target` as a column's name, a Jinja
template, or for the choices a list of them, and `target_delimiter`.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd

from bayescale.trainer import files
from bayescale.trainer.errors import MissingExtra, TrainerError
from bayescale.trainer.skills import Item

SPLITS = ("test_split", "validation_split", "training_split")  # the first that a task names is the one asked


def read(path: Path) -> tuple[str, list[Item]]:
    """Read a task: its name and its items.

    Raises
    ------
    TrainerError
        If the file, a template or a document is not as it must be; the message names file and document.
    """
    task = _load(path)
    missing = [k for k in ("task", "doc_to_text", "doc_to_choice", "doc_to_target") if k not in task]
    if missing:
        raise TrainerError(f"{path} lacks {', '.join(missing)}; a multiple choice of harness has them all")
    if task.get("output_type") != "multiple_choice":
        raise TrainerError(
            f"{path}: output_type is {task.get('output_type')!r}; only multiple_choice can be scored by likelihood here"
        )
    documents = _documents(path, task)
    if not documents:
        raise TrainerError(f"{path} has no document in its split; check the split's name")
    return str(task["task"]), [_item(path, number, task, d) for number, d in enumerate(documents)]


def write(folder: Path, name: str, items: Sequence[Item]) -> Path:
    """Write items as a task that harness and `read` take; return the YAML file."""
    lines = "".join(
        json.dumps({"context": i.context, "choices": i.choices, "target": i.target}, ensure_ascii=False)
        + "\n"
        for i in items
    )
    files.write_bytes(folder / f"{name}.jsonl", lines.encode())
    task = {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": f"{name}.jsonl"}},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "context",
        "doc_to_choice": "choices",
        "doc_to_target": "target",
        "target_delimiter": "",
        "metric_list": [{"metric": metric} for metric in ("acc", "acc_norm", "brier_score")],
    }
    path = folder / f"{name}.yaml"
    files.write_bytes(path, _yaml().safe_dump(task, sort_keys=False).encode())
    return path


def _yaml() -> Any:
    try:
        return import_module("yaml")
    except ImportError:
        raise MissingExtra('harness tasks need PyYAML; run: pip install "bayescale[train]"') from None


def _load(path: Path, including: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Read a YAML file and those it includes, whose keys it overrides."""
    yaml = _yaml()
    if path in including:
        raise TrainerError(f"{path} includes itself; take the include out")
    try:
        task = yaml.safe_load(path.read_text("utf-8"))
    except FileNotFoundError:
        raise TrainerError(f"{path} does not exist; give the path of a harness task") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        said = " ".join(str(error).split())
        if "!function" in said:
            raise TrainerError(
                f"{path} calls Python functions of its own (!function), which are not run here; write its documents "
                "to a file and give templates"
            ) from None
        raise TrainerError(f"{path} is not YAML: {said}") from None
    if not isinstance(task, dict):
        raise TrainerError(f"{path} is no table of keys; give the YAML file of one harness task")
    if included := task.pop("include", None):
        task = {**_load(path.parent / str(included), (*including, path)), **task}
    return task


def _documents(path: Path, task: Mapping[str, Any]) -> list[dict[str, Any]]:
    split = next((str(task[key]) for key in SPLITS if task.get(key)), "test")
    source = str(task.get("dataset_path", ""))
    given = (task.get("dataset_kwargs") or {}).get("data_files")
    if source not in ("json", "csv", "parquet"):
        return _from_hub(path, source, task.get("dataset_name"), split)
    if isinstance(given, Mapping):
        given = given.get(split)
    if not given:
        raise TrainerError(f"{path}: dataset_kwargs.data_files names no file for split {split!r}; add it")
    documents: list[dict[str, Any]] = []
    for name in [given] if isinstance(given, str) else given:
        documents += _from_file(path.parent / name, source)
    return documents


def _from_file(file: Path, kind: str) -> list[dict[str, Any]]:
    try:
        if kind == "csv":
            frame = pd.read_csv(file, dtype=object, keep_default_na=False)
        elif kind == "parquet":
            frame = pd.read_parquet(file)
        else:
            text = file.read_text("utf-8")
            if text.lstrip().startswith("["):
                return list(json.loads(text))
            return [json.loads(line) for line in text.splitlines() if line.strip()]
    except FileNotFoundError:
        raise TrainerError(f"{file} does not exist; it is looked for beside the task's YAML file") from None
    except ValueError as error:
        raise TrainerError(f"{file} is not {kind}: {error}") from None
    return [
        {str(key): value.tolist() if hasattr(value, "tolist") else value for key, value in row.items()}
        for row in frame.to_dict("records")
    ]


def _from_hub(path: Path, source: str, name: str | None, split: str) -> list[dict[str, Any]]:
    if not source:
        raise TrainerError(
            f"{path} lacks dataset_path; give json and dataset_kwargs.data_files, or a name on the hub"
        )
    try:
        datasets: Any = import_module("datasets")
    except ImportError:
        raise MissingExtra(
            f'{path} takes the data set {source!r} from the hub; run: pip install "bayescale[datasets]"'
        ) from None
    try:
        return list(datasets.load_dataset(source, name, split=split))
    except Exception as error:  # what a hub can answer is open-ended
        raise TrainerError(
            f"{path}: data set {source!r} cannot be loaded: {' '.join(str(error).split())}"
        ) from None


def _item(path: Path, number: int, task: Mapping[str, Any], document: Mapping[str, Any]) -> Item:
    where = f"{path}, document {number}"
    if not isinstance(document, Mapping):
        raise TrainerError(f"{where} is no table of fields")
    text = str(_apply(task["doc_to_text"], document, where))
    choices = task["doc_to_choice"]
    if isinstance(choices, list):
        choices = [str(_apply(choice, document, where)) for choice in choices]
    else:
        choices = _as_list(_apply(choices, document, where))
    target = _apply(task["doc_to_target"], document, where)
    if len(choices) < 2:
        raise TrainerError(f"{where} has {len(choices)} choices; it takes at least two")
    if isinstance(target, str) and target in choices:
        target = choices.index(target)
    try:
        target = int(target)
    except (TypeError, ValueError):
        raise TrainerError(f"{where}: target {target!r} is neither a choice nor its number") from None
    if not 0 <= target < len(choices):
        raise TrainerError(f"{where}: target {target} is not the number of one of its {len(choices)} choices")
    delimiter = str(task.get("target_delimiter", " "))
    return Item(text, tuple(delimiter + choice for choice in choices), target)


def _apply(said: Any, document: Mapping[str, Any], where: str) -> Any:
    """Take a column by its name, or fill a template."""
    from jinja2 import Environment, StrictUndefined, TemplateError
    from jinja2.sandbox import SandboxedEnvironment

    if not isinstance(said, str):
        return said
    if said in document:
        return document[said]
    environment: Environment = SandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
    try:
        return environment.from_string(said).render(**document)
    except TemplateError as error:
        raise TrainerError(f"{where}: {said!r} cannot be filled: {error}") from None


def _as_list(value: Any) -> list[str]:
    if isinstance(value, str):  # a template of a list prints it
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            value = [value]
    return [str(choice) for choice in value]
