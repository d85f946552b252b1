"""Networks that an option file builds by name."""
