"""Runs every process of Lamina in one terminal: health-gated, restarted with back-off, stopped in order."""
