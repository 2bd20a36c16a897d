"""One small real posterior, its held-out runs, and a question."""

import numpy as np
import pytest

import bayescale as bs
from tests.simulate import simulate

SHORT = bs.Settings(warmup=300, draws=300, chains=2)


def silent(*_):
    """No progress bar."""


@pytest.fixture(scope="session")
def posterior():
    runs = simulate(np.geomspace(3e10, 3e12, 3), 3, seed=0)
    return bs.fit(
        runs, "chinchilla", seed=0, settings=SHORT, progress=silent, command="bayescale fit sim.csv --seed 0"
    )


@pytest.fixture(scope="session")
def holdout():
    return simulate(np.array([1e13]), 3, seed=1)


@pytest.fixture(scope="session")
def decision():
    groups = {"architecture": "llama", "task": "code"}
    return bs.Decision(
        question="Is the tenfold run worth it?",
        target_loss=1.9,
        actions=[
            bs.Action(name="tenfold", params=1e6, tokens=8e6, groups=groups),
            bs.Action(name="small", params=2e5, tokens=1e6, groups={"task": "code"}),
        ],
    )
