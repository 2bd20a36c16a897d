"""Sampling: our engine beside other libraries on the same posteriors, and how its cost grows."""
