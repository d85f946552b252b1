"""What guides any network: which of its parts are units, what comes out of them, and the network that modulates it."""
