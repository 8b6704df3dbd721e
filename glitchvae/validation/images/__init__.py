"""Images whose factors are known: drawn, or read from the published files."""
