"""Simulation-based calibration of whole fits."""
