"""How long work is done: processes, cores, progress, logs, failures at a sample."""
