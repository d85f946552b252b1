"""What several of the networks are made of; plain torch, no BasicSR."""
