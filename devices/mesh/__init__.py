"""Triangle meshes: build, check, compare. Pure computation on arrays, usable from a notebook without Django."""
