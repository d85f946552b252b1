"""Captions: what a model, or a person, says of images, and of the change from an LR image to its HR image."""
