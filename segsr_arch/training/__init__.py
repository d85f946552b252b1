"""What surrounds the training of any model of BasicSR: how it goes on after a stop, and whether it learns at all."""
