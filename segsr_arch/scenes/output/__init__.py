"""What is written: rasters that grow tile by tile, can be resumed, and mean what their source means."""
