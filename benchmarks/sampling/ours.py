"""Our fit in a process of its own, as a user would call it: ``python -m benchmarks.sampling.ours RUNS MODEL OUT ...``.

RUNS is a Parquet file, MODEL a model as JSON. Writes draws and statistics as .npz.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--draws", type=int, help="a chain; the default where absent")
    parser.add_argument(
        "--no-folds", action="store_true", help="the posterior alone, as other libraries give"
    )
    chosen = parser.parse_args()

    import bayescale as bs

    settings = bs.Settings(folds=not chosen.no_folds, **({"draws": chosen.draws} if chosen.draws else {}))
    model = bs.Model.model_validate_json(chosen.model.read_text())
    fit = bs.fit(pd.read_parquet(chosen.runs), model, seed=chosen.seed, settings=settings)
    stats = fit.tree["sample_stats"]
    kept = {name: stats[name].to_numpy() for name in ("diverging", "n_steps", "energy")}
    z = fit.tree["unconstrained_posterior"]["z"].to_numpy()
    np.savez(chosen.out, z=z, notes=json.dumps(list(fit.provenance["notes"])), version=bs.__version__, **kept)


if __name__ == "__main__":
    main()
