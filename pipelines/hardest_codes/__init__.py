"""Which objective gives the hardest codes: attack the images of every model of Table 1.

Classes are what a linear probe says of the codes, and beside it the nearest class. Of every test
image the smallest change is sought that makes it another class, and corruptions are tried
too. The folder of results gets `hardness.csv` (a line a model), `against.md` (objectives
compared with one of them, on the events that both name rightly) and `hardness.png` (what is left
of the accuracy under attack).
"""
