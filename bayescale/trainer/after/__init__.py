"""What is measured of trained models beyond the loss they ended with: one file a measurement.

All of it needs the weights, so a sweep file that says `keep_weights = true`. Importing this package imports no torch.
"""
