"""JAX, set up once: double precision, and compilations kept between processes.

Import this before anything that computes with JAX.
"""

from __future__ import annotations

import os
import stat
import warnings
from pathlib import Path

# XLA reads these once, when it is loaded; what the user has set stays.
_FLAGS = {
    # Chains have the cores: threads within one small product cost more than they save, and chains that wait for each
    # other's threads can wait for ever.
    "xla_cpu_multi_thread_eigen": "false",
    # The older emitters compile in two thirds of the time, and their programs are as fast.
    "xla_cpu_use_fusion_emitters": "false",
}
_set = os.environ.get("XLA_FLAGS", "")
os.environ["XLA_FLAGS"] = " ".join(
    [_set, *(f"--{flag}={value}" for flag, value in _FLAGS.items() if flag not in _set)]
).strip()

import jax  # noqa: E402

# NumPyro imports this, and it warns in notebooks that have no ipywidgets: we show no bar of its kind.
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import tqdm.auto  # noqa: F401


def _cache_folder() -> Path | None:
    """A folder that only this user can write to, or None: what lies in it is executed."""
    root = os.environ.get("XDG_CACHE_HOME")
    try:
        folder = (Path(root) if root else Path.home() / ".cache") / "bayescale" / "xla"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except (OSError, RuntimeError):
        return None
    if hasattr(os, "getuid") and status.st_uid != os.getuid():
        return None
    return folder if stat.S_IMODE(status.st_mode) & 0o077 == 0 else None


# A Hoffmann fit's curvature spans eleven orders of magnitude in its raw parameters.
jax.config.update("jax_enable_x64", True)
if (_folder := _cache_folder()) is not None:
    jax.config.update("jax_compilation_cache_dir", str(_folder))
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def relieve() -> None:
    """Give compiled programs back where they use up the memory maps that the system allows a process.

    Every compilation holds some thousand maps for as long as it is kept, Linux allows 65,530 by default, and a process
    that fits many models would end with "Unable to allocate section memory". What is needed again is read from the
    cache on disk.
    """
    try:
        allowed = int(Path("/proc/sys/vm/max_map_count").read_text())
        with Path("/proc/self/maps").open("rb") as lines:
            used = sum(1 for _ in lines)
    except (OSError, ValueError):
        return  # not Linux
    if used > allowed / 3:
        jax.clear_caches()
