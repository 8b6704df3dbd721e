"""The objects behind the front door."""
