"""Trained networks that are known by a name, each with a card: those of this package, and a user's own."""

SCHEME = "segsr://"
"""Before a name, where an option file names a file of weights."""
VARIABLE = "SEGSR_MODELS"
"""Environment variable that names further folders of models."""
DEFAULT_NAME = "aerial_x{scale}"
"""The network of a scale that is taken where none is named."""
DEFAULT_SCALE = 4
"""The scale that is taken where none is asked for."""
