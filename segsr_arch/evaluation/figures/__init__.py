"""Figures for papers: comparisons of methods, guidance maps, validation curves, quality against cost.

Each ``draw_*`` is a function from values to a matplotlib figure that touches neither files nor matplotlib's settings.
"""
