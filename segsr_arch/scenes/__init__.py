"""Scenes of any size: a raster in, a georeferenced one out, window by window."""
