"""What behaves differently on a terminal, on one: bars and widths. A new bar or colour gets its test here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbclient
import nbformat
import pandas as pd
import pytest

from bayescale import progress
from tests.terminal import bayescale_on_terminal

QUICK = ("--model", "henighan-c", "--chains", "2", "--warmup", "100", "--draws", "100")


@pytest.fixture(scope="module")
def frontier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("terminal") / "frontier.csv"
    flops = [1e18, 3e18, 1e19, 3e19, 1e20, 3e20]
    pd.DataFrame({"flops": flops, "loss": [3.2, 3.05, 2.92, 2.81, 2.71, 2.62]}).to_csv(path, index=False)
    return path


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_fit_shows_a_bar_that_fits_the_terminal(frontier: Path, columns: int) -> None:
    shown = bayescale_on_terminal("fit", frontier, *QUICK, columns=columns, cwd=frontier.parent)
    assert "Traceback" not in shown.text
    # So few draws pass no gate: the fit is saved, and the status says so.
    assert shown.status == 1
    assert (frontier.parent / "fit.nc").exists()
    bars = [line for line in shown.lines if "divergences" in line or progress.PREPARING in line]
    assert any(progress.PREPARING in line for line in bars)
    assert any("/600" in line for line in bars)
    assert max(len(line) for line in bars) <= columns


def test_the_demo_runs_on_a_terminal(tmp_path: Path) -> None:
    shown = bayescale_on_terminal("demo", columns=80, cwd=tmp_path)
    assert "Traceback" not in shown.text and shown.status == 0, shown.text[-2000:]
    assert "health: PASS" in shown.text
    assert (tmp_path / "demo" / "report.html").stat().st_size > 1e5


def test_a_notebook_shows_one_line_and_no_warning(frontier: Path) -> None:
    code = (
        "import bayescale as bs\n"
        f"fitted = bs.fit({str(frontier)!r}, model='henighan-c', settings=bs.Settings(2, 100, 100))"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    (shown,) = notebook.cells[0].outputs
    assert shown["output_type"] == "display_data"
    assert shown["data"]["text/plain"] == "sampled 600 iterations"


def test_lines_are_printed_where_the_output_is_piped(frontier: Path) -> None:
    code = "import sys, bayescale.progress as p; p.LINE_EVERY = 0.05\nfrom bayescale.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "fit", str(frontier), *QUICK],
        cwd=frontier.parent,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert progress.PREPARING in done.stderr and "/600, " in done.stderr
    assert "\x1b" not in done.stderr + done.stdout


def test_state_counts_chains_that_have_told_and_begins_anew_with_a_phase() -> None:
    state = progress.SamplingState()
    assert state.total is None and state.counts == ""
    state.report(0, 50, 200, 0)
    state.report(1, 100, 200, 1)
    assert (state.phase, state.done, state.total, state.divergences) == (1, 150, 400, 1)
    state.report(0, 50, 300, 0)
    assert (state.phase, state.done, state.total, state.divergences) == (2, 50, 300, 0)
    assert state.all_done == 200
