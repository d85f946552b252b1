"""Networks by the names that options give them: those of BasicSR's registry, and those of spandrel."""
