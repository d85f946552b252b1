"""Data sets from raw images to what a training reads: ``segsr prepare``."""
