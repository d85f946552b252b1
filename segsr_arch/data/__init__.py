"""Data set classes that an option file names."""
