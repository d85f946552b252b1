"""Metrics: protocols, PSNR and SSIM, everything else that measures an image, and their entries for option files.

Images are (H, W, 3) arrays of 8 or 16 bits in OpenCV's channel order (B, G, R), which is BasicSR's too.
"""
