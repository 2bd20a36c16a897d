"""Every notebook runs from top to bottom, from the library alone, in under three minutes."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

# Of a cell, in wall time: three minutes of it are a quiet machine's, and a shared one may be three times as slow.
TIMEOUT = 540

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook(path: Path, tmp_path: Path) -> None:
    committed = nbformat.read(path, as_version=4)
    code = [cell for cell in committed.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code), "commit notebooks executed: make notebooks"
    fresh = nbformat.read(path, as_version=4)
    NotebookClient(
        fresh, timeout=TIMEOUT, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()
    errors = [
        output for cell in fresh.cells for output in cell.get("outputs", []) if output.output_type == "error"
    ]
    assert not errors
