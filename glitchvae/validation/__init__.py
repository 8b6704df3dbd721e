"""Validation of models: data sets with known factors, metrics, robustness, comparisons."""
