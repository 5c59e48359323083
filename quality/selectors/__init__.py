"""Reading quality's data, one module for each topic. Nothing here writes."""
