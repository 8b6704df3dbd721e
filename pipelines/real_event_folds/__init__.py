"""Fine-tune a model on real events, once per fold of days, and name each by one that never saw it.

A model of simulated events goes on for a few minutes with real ones among them. Neither the
encoder nor the head that names an event has seen an event of its day. The same events are named
from blurred pixels in the same folds. The folder of results gets `named.csv`, `bars.csv`
and a checkpoint for each fold (`fold-0` …) and for all events (`all`).
"""
