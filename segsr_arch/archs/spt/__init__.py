"""SPT (Hao et al., IEEE TGRS 2024) written for speed; plain torch, no BasicSR.

``network`` holds the whole network, ``blocks`` its blocks and their layers, ``attention`` the attention to pooled
pixels, ``options`` the arguments.
"""
