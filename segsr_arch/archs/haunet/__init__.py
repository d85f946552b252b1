"""HAUNet (Wang et al., IEEE TGRS 2023) written for speed; plain torch, no BasicSR.

``network`` holds the whole network, ``blocks`` its blocks for one scale, ``interaction`` the one across scales,
``attention`` the attention between channels, ``rectified_attention`` the kernel of that between pixels, ``options`` the
arguments.
"""
