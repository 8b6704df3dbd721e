"""What it takes to mislead a model: attacks, noise, and changes of strain."""
