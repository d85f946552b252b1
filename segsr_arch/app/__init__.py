"""A page for people who do not type: an image is dropped, sharpened by what ``segsr upscale`` runs, and compared."""
