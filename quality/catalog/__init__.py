"""What quality reads out of a device master: the routing and the inspection plan, typed and checked."""
