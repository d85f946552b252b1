"""Data sets: preparation, generation of low-resolution images, and drawn scenes."""
