"""What the commands take: no module of this folder imports torch, so that help and wrong arguments come at once."""
