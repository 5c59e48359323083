"""Figures beside those of peers, in one run: `make bench`, or `make bench NAME=pipeline` for one."""
