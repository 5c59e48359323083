"""The same change of one row, saved in four ways."""
