"""The paper's tables as runs: which networks, with which options, and what comes out of them."""
