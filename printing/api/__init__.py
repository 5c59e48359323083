"""Lots, printers, builds and jobs over HTTP: reading, and one action for each verb."""
