"""HAT (Chen et al., CVPR 2023) written for speed; plain torch, no BasicSR.

``network`` holds the whole network, ``blocks`` its parts, ``attention`` the two window attentions,
``fused_attention`` the kernel below them, ``geometry`` the order of tokens in windows, ``options`` the arguments.
"""
