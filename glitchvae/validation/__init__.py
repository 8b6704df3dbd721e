"""Validation on images whose factors are known: data sets, metrics, and studies with them."""
