"""Train plain, beta-TC, beta-TCDLGM and Seatbelt VAEs; attack them, add noise, and compare.

The images are sprites, chairs, faces or glitches. One folder a model (`runs/`), trained once and
resumed where it was stopped. The folder of results ends up with `models.csv` (a row a
model), `norms.csv` and `mig.csv` (over seeds), figures, and `claims.md`: the paper's
claims, and what these runs say of them.
"""
