"""Simulate glitches of every class and train the model that is shipped as `default`.

The sets are made once, and a set that is there is not made again; the training resumes
where it was stopped. The folder of results ends up with the sets (`sets/*.h5`) and the
checkpoint (`model/`).

`simulated.toml` beside the recipe's own settings is for hours instead of minutes: half of
its simulated events stand in the noise of real detectors. Give it with `--config`.
"""
