"""Verbs of how it is made: keyword-only functions, one unit of work each.

Rows are locked in this order, each kind by id: job, build, printer, command, container, lot; then, by the flush, streams.
"""
