"""HAT (Chen et al., CVPR 2023) written for speed; plain torch, no BasicSR.

``network`` holds HAT, ``hybrid`` what its relatives have as well, ``blocks`` the parts, ``attention`` the two window
attentions, ``fused_attention`` the kernel below them, ``geometry`` the order of tokens in windows, ``options`` the
arguments.
"""
