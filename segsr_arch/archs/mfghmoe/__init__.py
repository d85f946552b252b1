"""MFG-HMoE (Chen et al., 2025): HAT that enlarges each pixel by an expert; plain torch, no BasicSR.

``network`` holds the whole network, ``experts`` the convolutions that enlarge, ``gate`` what chooses among them,
``options`` its arguments; all else is HAT's.
"""
