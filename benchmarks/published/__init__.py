"""Published figures beside what this package finds on the same data."""
