"""What is upscaled: a part of a raster, its bands, its radiometry and its valid pixels."""
