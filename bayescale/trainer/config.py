"""The sweep file: its schema, and errors that name the file, the key and the remedy."""

from __future__ import annotations

import difflib
import fnmatch
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bayescale.trainer import architectures, corpora
from bayescale.trainer.errors import TrainerError

PositiveInt = Annotated[int, Field(gt=0)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1)]


class Part(BaseModel):
    """A table of the sweep file: unknown keys are errors, and nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Task(Part):
    """What to train on."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]
    corpus: str
    options: dict[str, str | int | float | bool] = {}

    @model_validator(mode="before")
    @classmethod
    def _corpus_is_name(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = {"name": value}
        if isinstance(value, dict) and "corpus" not in value:
            value = {**value, "corpus": value.get("name")}
        return value

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.corpus not in corpora.names():
            raise ValueError(f"there is no corpus {self.corpus!r}; choose from {', '.join(corpora.names())}")
        return self


class Architecture(Part):
    """What to train: an architecture, what it takes besides a size, and the name its runs go by."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]
    kind: Annotated[str, Field(description="the file it is defined in; its name where absent")]
    kv_heads: Annotated[int, Field(ge=0, description="heads of keys and values; 0: as many as heads")] = 0
    experts: Annotated[PositiveInt, Field(description="experts in a layer")] = 1
    granularity: Annotated[
        PositiveInt, Field(description="experts a token goes to, each so much narrower")
    ] = 1
    contexts: Annotated[
        tuple[tuple[PositiveInt, Fraction], ...],
        Field(
            description="[length, share of the steps] in turn, of the sequences trained on, which are measured at "
            "data.context all the same; that length throughout where absent"
        ),
    ] = ()

    @model_validator(mode="before")
    @classmethod
    def _kind_is_name(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = {"name": value}
        if isinstance(value, dict) and "kind" not in value:
            value = {**value, "kind": value.get("name")}
        return value

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.kind not in architectures.names():
            raise ValueError(
                f"there is no architecture {self.kind!r}; choose from {', '.join(architectures.names())}"
            )
        if self.contexts and abs(sum(share for _, share in self.contexts) - 1) > 1e-6:
            raise ValueError("the shares of contexts do not sum to 1; they are shares of a run's steps")
        return self


class Data(Part):
    """Tokens in and tokens held out."""

    vocab: Annotated[int, Field(ge=257, le=65535)] = 1024
    context: PositiveInt = 128
    held_out_tokens: Annotated[
        PositiveInt, Field(description="held-out tokens that the final loss is measured on, at most")
    ] = 131_072
    max_epochs: Annotated[
        Positive, Field(description="sizes that would see the train split more often than this are left out")
    ] = 4.0


class Training(Part):
    """How a run is trained; every figure here is part of a run's identity."""

    learning_rate: Annotated[
        Positive, Field(description="peak for hidden matrices of the base width; it falls as 1 / width")
    ] = 4e-3
    embedding_learning_rate: Annotated[Positive, Field(description="peak for embeddings, at every width")] = (
        1.6e-2
    )
    vector_learning_rate: Annotated[
        float, Field(ge=0, description="peak for gains, biases and decays; 0: that for embeddings")
    ] = 0.0
    base_width: PositiveInt = 64
    parametrisation: Annotated[
        Literal["scaled", "mup"],
        Field(description="scaled: rates of hidden matrices alone go with the width; mup: the head's too"),
    ] = "scaled"
    schedule: Annotated[
        Literal["cosine", "wsd"],
        Field(
            description="cosine to the run's end; or constant and then decayed, one trunk for all horizons"
        ),
    ] = "cosine"
    warmup: Annotated[Fraction, Field(description="share of the steps")] = 0.1
    warmup_steps: Annotated[int, Field(ge=0, description="wsd: steps of the trunk's warm-up")] = 0
    decay: Annotated[Positive, Field(lt=1, description="wsd: share of the steps that decay")] = 0.2
    final: Annotated[Fraction, Field(description="share of the peak rate at the last step")] = 0.1
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    batch_coefficient: Positive = 2.0
    batch_min: PositiveInt = 512
    batch_max: PositiveInt = 16_384
    noise_points: Annotated[
        int, Field(ge=0, description="steps of a run at which the gradient noise scale is measured")
    ] = 0

    precision: Annotated[
        Literal["float32", "bf16"],
        Field(description="of matrix products; bf16: bfloat16 by autocast, weights in float32"),
    ] = "float32"

    @model_validator(mode="after")
    def _a_trunk_is_shared(self) -> Self:
        if self.schedule == "wsd" and not self.warmup_steps:
            raise ValueError('schedule "wsd" shares a trunk among horizons; say its warmup_steps')
        if self.schedule == "wsd" and self.batch_min != self.batch_max:
            raise ValueError(
                'schedule "wsd" shares a trunk among horizons, which needs one batch size; '
                "set batch_min and batch_max to the same"
            )
        return self


class Size(Part):
    """One rung of the ladder of sizes."""

    width: PositiveInt
    depth: PositiveInt
    heads: PositiveInt


class Budget(Part):
    """Training FLOPs of a run, and the sizes to spend them on."""

    flops: Positive
    split: Literal["fit", "holdout"] = "fit"
    cells: Annotated[
        list[str], Field(min_length=1, description="patterns of ARCHITECTURE/TASK, such as gpt/* or */bible")
    ] = ["*/*"]
    tokens_per_param: Annotated[
        list[Positive], Field(min_length=1, description="targets; of a mixture, tokens per active parameter")
    ]
    unique_tokens: Annotated[
        int, Field(ge=0, description="train on a fixed subset of this many tokens, over and over; 0: on all")
    ] = 0
    seeds: Annotated[list[int], Field(min_length=1)] = [0]
    more_seeds_at: Annotated[
        Positive | None, Field(description="repeat only the size nearest this many tokens a parameter")
    ] = None


class Sweep(Part):
    """A sweep: architectures x tasks x budgets x sizes."""

    name: str
    out: str = "runs.parquet"
    architectures: Annotated[list[Architecture], Field(min_length=1)]
    tasks: Annotated[list[Task], Field(min_length=1)]
    data: Data = Data()
    training: Training = Training()
    sizes: Annotated[list[Size], Field(min_length=1)]
    budgets: Annotated[list[Budget], Field(min_length=1)]
    keep_weights: Annotated[
        bool,
        Field(description="keep each run's last weights in the work folder, to measure more of it later"),
    ] = False

    @model_validator(mode="after")
    def _known(self) -> Self:
        for what, names in (
            ("architectures", [a.name for a in self.architectures]),
            ("tasks", [t.name for t in self.tasks]),
        ):
            twice = {n for n in names if names.count(n) > 1}
            if twice:
                raise ValueError(f"{what} names {', '.join(sorted(twice))} twice; name each once")
        if self.training.batch_min % self.data.context:
            raise ValueError(
                f"training.batch_min {self.training.batch_min} is not a multiple of data.context "
                f"{self.data.context}; a batch is made of whole sequences"
            )
        for architecture in self.architectures:
            if architecture.contexts and self.training.schedule == "wsd":
                raise ValueError(
                    f'architecture {architecture.name!r} changes its contexts by shares of a run, and schedule "wsd" '
                    'shares a trunk among runs of any length; use schedule "cosine"'
                )
            for context, _ in architecture.contexts:
                if context > self.data.context or self.training.batch_min % context:
                    raise ValueError(
                        f"architecture {architecture.name!r} trains on sequences of {context}; give a length of at "
                        f"most data.context, {self.data.context}, that divides training.batch_min, "
                        f"{self.training.batch_min}"
                    )
        cells = [f"{a.name}/{t.name}" for a in self.architectures for t in self.tasks]
        for number, budget in enumerate(self.budgets):
            for pattern in budget.cells:
                if not fnmatch.filter(cells, pattern):
                    raise ValueError(
                        f"budgets[{number}].cells: {pattern!r} matches no cell; a cell is ARCHITECTURE/TASK, "
                        f"such as {cells[0]}"
                    )
        return self


def read_sweep(path: Path) -> Sweep:
    """Read a sweep file.

    Raises
    ------
    TrainerError
        With one line an error: the file, the key, what is wrong with it, what was perhaps meant.
    """
    try:
        with path.open("rb") as file:
            raw = tomllib.load(file)
    except FileNotFoundError:
        raise TrainerError(f"{path} does not exist; give the path of a sweep file") from None
    except tomllib.TOMLDecodeError as error:
        raise TrainerError(f"{path} is not TOML: {error}") from None
    try:
        sweep = Sweep.model_validate(raw)
    except ValidationError as error:
        raise TrainerError("\n".join(f"{path}: {line}" for line in _lines(error.errors()))) from None
    # A folder of text is found from the sweep file, not from wherever the command was given.
    tasks = [
        task.model_copy(
            update={"options": {**task.options, "path": str(path.parent / str(task.options["path"]))}}
        )
        if "path" in task.options
        else task
        for task in sweep.tasks
    ]
    return sweep.model_copy(update={"tasks": tasks})


_TABLES: dict[str, type[Part]] = {
    "data": Data,
    "training": Training,
    "sizes": Size,
    "budgets": Budget,
    "tasks": Task,
    "architectures": Architecture,
}


def _lines(errors: Sequence[Any]) -> list[str]:
    """Say each error in a line; a key that is missing because it was misspelt is said once."""
    lines = {tuple(error["loc"]): _line(error) for error in errors}
    for error in errors:
        if error["type"] == "extra_forbidden" and (near := _near(error["loc"])):
            lines.pop((*error["loc"][:-1], near), None)
    return list(lines.values())


def _known(location: Sequence[Any]) -> list[str]:
    table = _TABLES.get(str(location[0])) if len(location) > 1 else Sweep
    return list(table.model_fields) if table else []


def _near(location: Sequence[Any]) -> str | None:
    return next(iter(difflib.get_close_matches(str(location[-1]), _known(location), n=1)), None)


def _line(error: Any) -> str:
    location = list(error["loc"])
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
    if error["type"] == "extra_forbidden":
        near = _near(location)
        meant = f"did you mean {near!r}?" if near else f"known here: {', '.join(_known(location))}"
        return f"unknown key {key}; {meant}"
    if error["type"] == "missing":
        return f"{key} is missing; add it"
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{key}: {message}" if key else message
