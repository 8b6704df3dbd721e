"""Train and score the 21 rows of Table 2 on dSprites: annealed beta-VAE beside six others.

Every model goes into a folder of its own under the results; a run that was stopped goes on
where it was. Tables, claims, codes and figures 1 to 3 are written when all models are done.
"""
