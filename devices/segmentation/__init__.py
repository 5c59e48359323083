"""Volumes to masks. Each segmenter is one file, registered by name. Pure computation, usable without Django."""
