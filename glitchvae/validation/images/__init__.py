"""Images with known factors: drawn, or read from the published files."""
