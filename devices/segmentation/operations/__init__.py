"""What can be done to a mask. Each operation is one file, registered by name. Pure computation, usable without Django."""
