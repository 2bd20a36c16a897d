from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.skills.accuracy import SkillFit, fit_accuracy
from bayescale.skills.table import check_skills, with_runs
from tests.simulate import simulate
from tests.skills.simulate import skills_of

SHORT = bs.Settings(chains=2, warmup=300, draws=400, again=False, target_accept=0.9)
LEVELS, SLOPES = (-4.5, -2.0, 0.0), (1.5, 2.0, 2.5)
REFERENCE = {"code": 2.8, "docs": 3.2}


@pytest.fixture(scope="session")
def measured(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs of the loss posterior, with names."""
    return runs.assign(run_id=[f"r{i}" for i in range(len(runs))])


@pytest.fixture(scope="session")
def dearer() -> pd.DataFrame:
    """Runs beyond them, of the same truth."""
    table = simulate(np.array([1e13, 3e13]), sizes=3, seed=7)
    return table.assign(run_id=[f"h{i}" for i in range(len(table))])


@pytest.fixture(scope="session")
def skills(measured: pd.DataFrame, dearer: pd.DataFrame) -> pd.DataFrame:
    """One skill that is there, one on its way, and one at chance, of every run."""
    together = pd.concat([measured, dearer], ignore_index=True)
    return check_skills(skills_of(together, LEVELS, SLOPES, REFERENCE, seed=1))


@pytest.fixture(scope="session")
def fitted(skills: pd.DataFrame, measured: pd.DataFrame) -> SkillFit:
    return fit_accuracy(with_runs(skills, measured), settings=SHORT)
