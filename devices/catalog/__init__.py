"""Device types and materials as data, one file each, registered by code."""
