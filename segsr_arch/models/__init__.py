"""Models: what trains and tests a network under BasicSR."""
