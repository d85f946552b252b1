"""What OpenCV does not take."""

MOST_BANDS = 128
"""Bands of one image (``CV_CN_MAX``), since OpenCV 5; before, 512."""
