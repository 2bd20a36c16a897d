"""Whole learning curves: laws along one curve, and many curves pooled with an effect of each run."""
