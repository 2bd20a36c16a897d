"""Verdicts of the default model against worlds whose law and noise are known."""
