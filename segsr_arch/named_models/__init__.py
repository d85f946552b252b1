"""Trained networks that are known by a name, each with a card: those of this package, and a user's own."""

SCHEME = "segsr://"
"""Before a name, where an option file names a file of weights."""
VARIABLE = "SEGSR_MODELS"
"""Environment variable that names further folders of models."""
