"""The HTTP API: the same services as everything else, JSON in and out."""
