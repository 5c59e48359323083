"""Quality's gates: whether a device may go on from post-processing, inspection, review and release."""
