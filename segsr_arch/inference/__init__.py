"""Everything between a trained network and its images: the form that is run, tiles, sizes, cost."""
