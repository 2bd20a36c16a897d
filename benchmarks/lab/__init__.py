"""The laboratory sweep fitted: parts of ``python benchmarks/lab.py``."""
