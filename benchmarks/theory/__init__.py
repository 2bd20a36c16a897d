"""Scaling laws fitted to a world whose truth is known: power-law random features, phase by phase."""
