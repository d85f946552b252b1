"""Measuring methods by named protocols, and showing what they do: tables, figures, a report, words.

Everything here knows a callable from LR to SR, or the images that one has written, never a network.
"""
