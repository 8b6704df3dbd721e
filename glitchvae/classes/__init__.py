"""Known classes, on plain arrays of codes: cards, prototypes, novelty."""
