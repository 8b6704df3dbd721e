"""Measure what a model is worth on simulated glitches: probes, clusters, sample rates, calibration.

All on events the model was not trained on: the test split of simulated sets, and events
made for this alone. The folder of results gets `bars.csv`, `rates.csv` (share
of each class that keeps its name at lower sample rates) and `reliability.png`. Real events have
a recipe of their own, `real_event_bars`.
"""
