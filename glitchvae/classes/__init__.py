"""What is known of classes, on plain arrays of codes: cards, prototypes, novelty."""
