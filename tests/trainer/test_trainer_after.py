"""What is measured of trained models: skills, ensembles, compression, retrieval, groups."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from bayescale.cli import app
from bayescale.runs import read_runs
from bayescale.trainer import evaluate, run_sweep, tokenizer, weights
from bayescale.trainer.after import compression, ensembles, groups, harness, retrieval, scoring
from bayescale.trainer.after import skills as after_skills
from bayescale.trainer.after.kept import Kept, open_kept
from bayescale.trainer.config import read_sweep
from bayescale.trainer.errors import TrainerError
from bayescale.trainer.skills import Item

SWEEP = """
name = "tiny"
keep_weights = {keep}
architectures = ["llama"]

[[tasks]]
name = "speech"
corpus = "folder"
options = {{ path = "{texts}" }}

[data]
vocab = 300
context = 32

[training]
parametrisation = "mup"
base_width = 16
learning_rate = 1.2e-2
embedding_learning_rate = 0.12
vector_learning_rate = 0.02
batch_coefficient = 1.0
batch_min = 256

[[sizes]]
width = 16
depth = 1
heads = 2

[[budgets]]
flops = 4e9
tokens_per_param = [10]
seeds = [0, 1, 2]
"""


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of a language in which pronouns and verbs agree."""
    folder = tmp_path_factory.mktemp("speech")
    generator = np.random.default_rng(1)
    subjects = [
        ("He", "is"),
        ("She", "was"),
        ("They", "are"),
        ("We", "were"),
        ("He", "has"),
        ("They", "have"),
    ]
    nouns = [
        "dog",
        "house",
        "river",
        "stone",
        "king",
        "field",
        "bread",
        "horse",
        "garden",
        "window",
        "table",
        "letter",
        "winter",
        "summer",
        "mountain",
        "shadow",
        "candle",
        "farmer",
        "sailor",
        "island",
        "orchard",
        "bridge",
        "kettle",
        "ladder",
        "hammer",
        "blanket",
        "meadow",
        "lantern",
    ]
    joints = ["near the", "with the", "under the"]
    for side in ("north", "south"):
        (folder / side).mkdir()
    for number in range(100):
        said = []
        for _ in range(60):
            subject, verb = subjects[generator.integers(len(subjects))]
            first, second = generator.choice(nouns, 2, replace=False)
            said.append(f"{subject} {verb} the {first} {joints[generator.integers(3)]} {second}.")
        side = "north" if number % 2 else "south"
        (folder / side / f"{number:02}.txt").write_text(" ".join(said), "utf-8")
    return folder


@pytest.fixture(scope="module")
def trained(speech: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, pd.DataFrame]:
    """A sweep of three seeds, carried out: its file, its work folder and its table."""
    folder = tmp_path_factory.mktemp("sweep")
    path = folder / "sweep.toml"
    path.write_text(SWEEP.format(texts=speech.as_posix(), keep="true"), "utf-8")
    return path, folder / "work", run_sweep(path, out=folder / "runs.parquet", work=folder / "work")


@pytest.fixture(scope="module")
def kept(trained: tuple[Path, Path, pd.DataFrame]) -> Kept:
    path, work, _ = trained
    return open_kept(read_sweep(path), work)


def quiet(_: str) -> None:
    pass


def test_kept_weights_have_the_loss_that_was_measured(kept: Kept) -> None:
    for run in kept.runs:
        held_out = evaluate.measure(kept.model(run), kept.dataset("speech"), run.config.held_out_tokens)
        assert held_out.loss == kept.results[run.config.run_id]["loss"]


def test_a_run_without_its_weights_is_trained_again_to_the_same_figures(
    trained: tuple[Path, Path, pd.DataFrame], tmp_path: Path
) -> None:
    path, work, before = trained
    run_id = before["run_id"].iloc[1]
    file = weights.path(work, run_id)
    old = file.read_bytes()
    file.unlink()
    again = run_sweep(path, out=tmp_path / "again.parquet", work=work)
    assert again["loss"].tolist() == before["loss"].tolist()
    assert file.read_bytes() == old


def test_runs_without_weights_are_refused_with_the_remedy(
    trained: tuple[Path, Path, pd.DataFrame], tmp_path: Path
) -> None:
    path, work, _ = trained
    read = read_sweep(path)
    with pytest.raises(TrainerError, match="no finished run; call bayescale train"):
        open_kept(read, tmp_path)
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "results").symlink_to(work.absolute() / "results")
    with pytest.raises(
        TrainerError, match="3 finished runs and the weights of none; put keep_weights = true"
    ):
        open_kept(read, bare)
    with pytest.raises(TrainerError, match=r"no finished run of gpt/\*"):
        open_kept(read, work, ["gpt/*"])


def test_broken_or_foreign_weights_are_named(kept: Kept, tmp_path: Path) -> None:
    one, other = kept.runs[0].config, kept.runs[1].config
    with pytest.raises(TrainerError, match=f"belongs to run {one.run_id}"):
        weights.load(weights.path(kept.work, one.run_id), other)
    torn = tmp_path / "torn.safetensors"
    torn.write_bytes(weights.path(kept.work, one.run_id).read_bytes()[:100])
    with pytest.raises(TrainerError, match="not a file of weights"):
        weights.load(torn, one)


# --- skills -----------------------------------------------------------------------------------------------------


def test_scores_are_those_of_one_sequence_after_the_other(kept: Kept) -> None:
    model = kept.model(kept.runs[0])
    text = tokenizer.load((kept.data["speech"] / "tokenizer.json").read_text("utf-8"))
    items = [
        Item("They", (" are", " is"), 0),
        Item("", ("He is the dog near the king.", "He the is dog near the king."), 0),
        Item("We were the horse under the ", ("garden.", "horse of the river."), 1),
        # Longer than the context: the left is cut.
        Item("He is the dog near the house. " * 8 + "She", (" was", " were"), 0),
    ]
    encoded = scoring.encode_all(text, items)
    by_hand = []
    for item in encoded:
        for ids, count in item:
            cut = torch.tensor(ids[-(model.shape.context + 1) :])
            with torch.no_grad():
                logp = torch.log_softmax(model(cut[None, :-1])[0].double(), -1)
            by_hand.append(float(sum(logp[i, cut[i + 1]] for i in range(len(cut) - 1 - count, len(cut) - 1))))
    found = scoring.logliks(model, [choice for item in encoded for choice in item])
    assert found == pytest.approx(by_hand, rel=1e-5)

    score = scoring.score(model, items, encoded)
    pairs = np.array(by_hand).reshape(4, 2)
    target = np.array([item.target for item in items])
    p = np.exp(pairs - np.logaddexp(*pairs.T)[:, None])
    right = p[np.arange(4), target]
    assert score.correct == (pairs.argmax(axis=1) == target).sum()
    assert score.loglik == pytest.approx(np.log(right).sum(), rel=1e-5)
    assert score.brier_sum == pytest.approx((2 * (1 - right) ** 2).sum(), rel=1e-5)
    assert (score.items, score.chance) == (4, 0.5)


def test_context_and_choice_are_encoded_as_in_running_text(kept: Kept) -> None:
    text = tokenizer.load((kept.data["speech"] / "tokenizer.json").read_text("utf-8"))
    whole = [tokenizer.END_ID, *text.encode("He is the dog").ids]
    for context, choice in (("He is", " the dog"), ("He is ", "the dog")):
        ((ids, count),) = scoring.encode(text, Item(context, (choice,), 0))
        assert ids == whole
        assert text.decode(ids[-count:]) == " the dog"


def test_a_language_that_was_learned_is_known(kept: Kept, tmp_path: Path) -> None:
    table = after_skills.measure(kept, tmp_path / "skills.parquet", say=quiet)
    assert set(table["skill"]) == {"agreement", "word_order", "last_word"}
    assert (table["correct"] <= table["items"]).all()
    agreement = table[table["skill"] == "agreement"]
    # Four fifths of 216 is nine standard errors above chance.
    assert (agreement["correct"] / agreement["items"] > 0.8).all()
    assert pd.read_parquet(tmp_path / "skills.parquet").equals(table)


def test_skills_once_measured_are_read(kept: Kept, tmp_path: Path) -> None:
    said: list[str] = []
    first = after_skills.measure(kept, tmp_path / "a.csv", say=quiet)
    second = after_skills.measure(kept, tmp_path / "b.csv", say=said.append)
    assert not [line for line in said if "skills of" in line]
    assert first.equals(second)
    with pytest.raises(TrainerError, match=r"neither \.parquet nor \.csv"):
        after_skills.measure(kept, tmp_path / "b.txt", say=quiet)
    with pytest.raises(TrainerError, match="no task 'talk'; its tasks: speech"):
        after_skills.measure(kept, tmp_path / "b.csv", also=["talk"], say=quiet)


def test_a_harness_task_is_scored_beside_ours(kept: Kept, tmp_path: Path) -> None:
    path = harness.write(
        tmp_path, "verbs", [Item("They", (" are", " is"), 0), Item("He", (" are", " is"), 1)]
    )
    table = after_skills.measure(kept, tmp_path / "skills.parquet", tasks=[path], say=quiet)
    foreign = table[table["test"] == "harness"]
    assert foreign["skill"].tolist() == ["verbs"] * 3
    assert (foreign["correct"] == 2).all()


# --- harness format ---------------------------------------------------------------------------------------------


def test_items_survive_the_harness_format(tmp_path: Path) -> None:
    items = [Item("Thou", (" art", " is"), 0), Item("", ("a {{b}}", "ü\n c", " d"), 2)]
    assert harness.read(harness.write(tmp_path, "old", items)) == ("old", items)


def test_templates_are_filled(tmp_path: Path) -> None:
    (tmp_path / "q.csv").write_text("question,a,b,answer\nWho goes?,he,they,B\nWho go?,he,they,A\n", "utf-8")
    (tmp_path / "t.yaml").write_text(
        "task: who\ndataset_path: csv\ndataset_kwargs: {data_files: {validation: q.csv}}\n"
        "validation_split: validation\noutput_type: multiple_choice\n"
        'doc_to_text: "Q: {{question}} A:"\ndoc_to_choice: ["{{a}}", "{{b}}"]\n'
        "doc_to_target: \"{{['A', 'B'].index(answer)}}\"\n",
        "utf-8",
    )
    name, items = harness.read(tmp_path / "t.yaml")
    assert name == "who"
    assert items[0] == Item("Q: Who goes? A:", (" he", " they"), 1)
    assert items[1].target == 0


def test_a_task_as_blimp_has_it(tmp_path: Path) -> None:
    """A shared template included, an empty context, choices by a template of a list."""
    (tmp_path / "pairs.jsonl").write_text('{"good": "He is.", "bad": "He are."}\n', "utf-8")
    (tmp_path / "_template_yaml").write_text(
        "task: shared\ndataset_path: json\ndataset_kwargs: {data_files: {train: pairs.jsonl}}\n"
        "output_type: multiple_choice\nvalidation_split: train\n"
        'doc_to_text: ""\ndoc_to_target: 0\ndoc_to_choice: "{{[good, bad]}}"\n',
        "utf-8",
    )
    (tmp_path / "t.yaml").write_text("include: _template_yaml\ntask: verbs\n", "utf-8")
    assert harness.read(tmp_path / "t.yaml") == ("verbs", [Item("", (" He is.", " He are."), 0)])
    (tmp_path / "t.yaml").write_text("task: t\nprocess_docs: !function utils.process\n", "utf-8")
    with pytest.raises(TrainerError, match="calls Python functions of its own"):
        harness.read(tmp_path / "t.yaml")
    (tmp_path / "t.yaml").write_text("include: t.yaml\n", "utf-8")
    with pytest.raises(TrainerError, match="includes itself"):
        harness.read(tmp_path / "t.yaml")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"output_type": "generate_until"}, "only multiple_choice"),
        ({"doc_to_choice": None}, "lacks doc_to_choice"),
        ({"doc_to_target": "7"}, "document 0: target 7 is not the number of one of its 2 choices"),
        ({"doc_to_text": "{{questoin}}"}, "document 0: '{{questoin}}' cannot be filled"),
        ({"dataset_kwargs": {"data_files": {"test": "no.jsonl"}}}, r"no\.jsonl does not exist"),
        ({"test_split": "validation"}, "names no file for split 'validation'"),
    ],
)
def test_a_harness_task_that_is_wrong_is_named(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    yaml = pytest.importorskip("yaml")
    path = harness.write(tmp_path, "t", [Item("Thou", (" art", " is"), 0)])
    task = {**yaml.safe_load(path.read_text("utf-8")), **change}
    path.write_text(yaml.safe_dump({k: v for k, v in task.items() if v is not None}), "utf-8")
    with pytest.raises(TrainerError, match=message):
        harness.read(path)


# --- ensembles --------------------------------------------------------------------------------------------------


def test_a_mixture_is_the_mean_of_probabilities() -> None:
    p = np.array([[0.5, 0.1], [0.25, 0.3], [0.75, 0.8]])
    assert ensembles.mixture(list(-np.log(p))) == pytest.approx(-np.log(p.mean(axis=0)))


def test_ensembles_of_every_size(kept: Kept, tmp_path: Path) -> None:
    ensembles.measure(kept, tmp_path / "e.parquet", say=quiet)
    table = read_runs(tmp_path / "e.parquet")
    assert table["ensemble"].tolist() == [1, 1, 1, 2, 3]
    single = table[table["ensemble"] == 1]
    assert sorted(single["run_id"]) == sorted(run.config.run_id for run in kept.runs)
    for _, row in single.iterrows():
        assert row["loss"] == pytest.approx(kept.results[row["run_id"]]["loss"], rel=1e-12)
    # By Jensen's inequality, strictly: the seeds differ.
    three = table[table["ensemble"] == 3].iloc[0]
    assert three["loss"] < single["loss"].mean()
    assert three["flops"] == pytest.approx(single["flops"].sum())
    assert three["inference_flops"] == 3 * single["inference_flops"].iloc[0]
    assert three["params"] == single["params"].iloc[0]


# --- compression ------------------------------------------------------------------------------------------------


def test_rounding_is_to_the_nearest_of_so_many_values() -> None:
    weight = torch.randn(7, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for bits in (2, 4, 8):
        rounded = compression.quantise(weight, bits)
        step = weight.abs().amax(dim=1, keepdim=True) / (2 ** (bits - 1) - 1)
        assert ((weight - rounded).abs() <= step / 2 * (1 + 1e-12)).all()
        assert max(len(row.unique()) for row in rounded) <= 2**bits - 1
    # A scale for every 16 columns, the last 8 being a group of their own.
    grouped = compression.quantise(weight, 4, 16)
    assert torch.equal(grouped[:, 32:], compression.quantise(weight[:, 32:], 4))
    assert (grouped - weight).square().mean() < (compression.quantise(weight, 4) - weight).square().mean()
    assert torch.equal(compression.quantise(torch.zeros(2, 3), 4), torch.zeros(2, 3))


def test_pruning_takes_the_smallest() -> None:
    weight = torch.tensor([[0.1, -3.0, 0.2], [1.0, -0.05, 2.0]])
    assert compression.prune(weight, 0.5).tolist() == [[0.0, -3.0, 0.0], [1.0, 0.0, 2.0]]


@pytest.mark.parametrize("name", ["int1", "int9", "int4g0", "prune0", "prune100", "half", "int", ""])
def test_a_compression_that_there_is_not(name: str) -> None:
    with pytest.raises(TrainerError, match="there is no compression"):
        compression.scheme(name)


def test_compressed_models_are_measured(kept: Kept, tmp_path: Path) -> None:
    compression.measure(kept, tmp_path / "c.parquet", ("int8", "int2", "prune50"), 4096, say=quiet)
    table = read_runs(tmp_path / "c.parquet")
    assert len(table) == 3 * 4
    by = table.set_index(["run_id", "compression"])["loss_change"].unstack()  # noqa: PD010 - no aggregation
    assert (by["none"] == 0).all()
    assert (by["int2"] > by["int8"].abs()).all()
    assert by["int8"].abs().max() < 0.02 < by["prune50"].min()
    size = table.set_index(["run_id", "compression"])["weight_bytes"].unstack().iloc[0]  # noqa: PD010
    model = kept.model(kept.runs[0])
    assert size["none"] == 4 * model.params_total()
    matrices = sum(p.numel() for p in model.parameters() if p.dim() == 2)
    vectors = model.params_total() - matrices
    assert size["prune50"] == 4 * vectors + matrices * (16 + 1) / 8
    assert size["int8"] > matrices + 4 * vectors


# --- retrieval --------------------------------------------------------------------------------------------------


def test_nearest_is_exact() -> None:
    pytest.importorskip("faiss")
    generator = np.random.default_rng(0)
    keys = generator.normal(size=(300, 5)).astype(np.float32)
    queries = generator.normal(size=(20, 5)).astype(np.float32)
    distance, place = retrieval.nearest(keys, queries, 4)
    all_ = ((queries[:, None] - keys[None]) ** 2).sum(-1)
    assert (place == np.argsort(all_, axis=1)[:, :4]).all()
    assert distance == pytest.approx(np.sort(all_, axis=1)[:, :4], rel=1e-4)


def test_interpolation_by_hand() -> None:
    distance = np.array([[0.0, np.log(2.0)]], dtype=np.float32)
    same = np.array([[False, True]])
    # Weights 1 and 1/2, so the neighbours say 1/3; the model 1/2.
    mixed = retrieval.interpolate(distance, same, np.log([0.5]), 0.25, 1.0)
    assert np.exp(mixed) == pytest.approx([0.25 / 3 + 0.75 / 2], rel=1e-6)
    assert retrieval.interpolate(distance, same, np.log([0.5]), 0.0, 1.0) == pytest.approx(np.log([0.5]))


def test_a_datastore_is_a_third_axis(kept: Kept, tmp_path: Path) -> None:
    pytest.importorskip("faiss")
    settings = retrieval.Settings((1024, 16384), neighbours=8, held_out_tokens=4096)
    retrieval.measure(kept, tmp_path / "r.parquet", settings, say=quiet)
    table = read_runs(tmp_path / "r.parquet")
    assert table["datastore_tokens"].tolist() == [0, 1024, 16384] * 3
    none, some, most = (table["loss"].to_numpy()[i::3] for i in range(3))
    # The share is chosen on other documents, and 0 is among the choices: no size can do much harm.
    assert (some < none + 0.01).all()
    assert (most < none + 0.01).all()
    largest = table.iloc[2]
    model = kept.model(kept.runs[0])
    assert largest["datastore_flops"] == 16384 * model.forward_flops_per_token()
    assert largest["search_flops"] == 2 * 16 * 16384


def test_a_datastore_larger_than_the_corpus(kept: Kept, tmp_path: Path) -> None:
    pytest.importorskip("faiss")
    with pytest.raises(TrainerError, match=r"10,000,000 tokens is larger than the train split of 'speech'"):
        retrieval.measure(kept, tmp_path / "r.parquet", retrieval.Settings((10_000_000,)), say=quiet)
    with pytest.raises(TrainerError, match="less than one window of 32"):
        retrieval.measure(kept, tmp_path / "r.parquet", retrieval.Settings((8,)), say=quiet)


# --- groups -----------------------------------------------------------------------------------------------------


def test_groups_are_the_whole(kept: Kept, tmp_path: Path) -> None:
    groups.measure(kept, tmp_path / "g.parquet", say=quiet)
    table = read_runs(tmp_path / "g.parquet")
    assert set(table["grouping"]) == {"section", "frequency", "context", "length"}
    assert set(table.loc[table["grouping"] == "section", "group"]) <= {"north", "south", "other"}
    for (run_id, _), part in table.groupby(["run_id", "grouping"]):
        assert part["share"].sum() == pytest.approx(1)
        assert (part["share"] * part["loss"]).sum() == pytest.approx(kept.results[run_id]["loss"])
    context = table[table["grouping"] == "context"]
    assert context["group"].unique().tolist() == ["1 to 3 tokens", "4 to 15 tokens", "16 to 32 tokens"]
    # What comes first in a window has the least to go by.
    first = context.groupby("run_id")["loss"].first()
    assert (first > context.groupby("run_id")["loss"].last()).all()


def test_sections_of_names() -> None:
    assert [groups.section(n) for n in ("1Sm 2", "page 17", "test/test_ast.py", "north-01.txt")] == [
        "1Sm", "page", "test", "north",
    ]  # fmt: skip


# --- the command line -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["skills", "groups", "ensembles", "compression", "retrieval"])
def test_measuring_from_the_command_line(
    verb: str, trained: tuple[Path, Path, pd.DataFrame], tmp_path: Path
) -> None:
    path, work, _ = trained
    out = tmp_path / f"{verb}.parquet"
    more = {"compression": ["--scheme", "int8"], "retrieval": ["--datastore", "2048"]}
    if verb == "retrieval":
        pytest.importorskip("faiss")
    done = CliRunner().invoke(
        app, ["measure", verb, str(path), "--work", str(work), "--out", str(out), *more.get(verb, [])]
    )
    assert done.exit_code == 0, done.output
    assert str(out) in done.output
    assert len(pd.read_parquet(out)) >= 3
