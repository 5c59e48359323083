"""Medical images to calibrated volumes in HU and LPS millimetres. Pure computation, usable from a notebook without Django."""
