"""Robustness of models: attacks, noise, and corruptions of strain."""
