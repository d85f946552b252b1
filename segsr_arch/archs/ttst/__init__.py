"""TTST (Xiao et al., TIP 2024), a relative of HAT; plain torch, no BasicSR.

``network`` holds the whole network, ``token_selection``, ``feed_forward`` and ``global_context`` what it has and HAT
does not, ``options`` its arguments; windows, their attention and the frame around them are HAT's.
"""
