"""Forecasts of the largest runs of published tables, scored as anyone may score them."""
