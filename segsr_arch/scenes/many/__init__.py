"""Many scenes: what is to be done, in this process, in several, or with Ray."""
