"""Teeth in an intra-oral scan: labelled, framed, moved in stages, checked against each other, and made into arch models."""
