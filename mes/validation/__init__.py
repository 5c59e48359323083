"""Evidence that this version and this installation do what the regulation asks: `make validation`."""
