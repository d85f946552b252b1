"""The metrics of this package: one file each, with ``METRICS``. A file that is put here is found by itself."""
