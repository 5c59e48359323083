"""Reading printing: one module for each thing that a reader asks about. Nothing here writes."""
