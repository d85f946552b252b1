"""What a table holds: values per image and class, means with intervals, comparisons, where they come from, and files.

Nothing here knows a network or how a metric is computed; ``segsr evaluate`` and the validation of ``SeGSRModel`` write
the same files by it, and pictures and the report are made of them.
"""
