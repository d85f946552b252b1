"""Files of weights: what a file is, whether it is whole, and what stands in it, read without running code from it."""
