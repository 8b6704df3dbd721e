"""Simulate glitches of every class and train a model on them: the first stage of the default.

The sets are made once, and a set that is there is not made again; the training resumes
where it was stopped. The folder of results ends up with the sets (`sets/*.h5`) and the
checkpoint (`model/`). The second stage, with real events, is `real_event_folds`.

The recipe's own settings take ten minutes of one core, without real noise: for trials, and for
models that never saw a class. With `--config`, `simulated.toml` takes hours and half of its
events stand in the noise of real detectors; `annealed.toml` and `seatbelt.toml` train the
objectives of the two papers on the same sets. Each is shipped under its name.
"""
