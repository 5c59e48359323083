"""Design generators: from a bone surface and checked values to a solid. One file each, research-only until validated."""
