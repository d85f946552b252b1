"""Pure functions that make low-resolution images."""
