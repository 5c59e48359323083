"""Verbs of how it is made: keyword-only functions, one unit of work each.

Rows are locked in this order, each kind by id: command, job, build, printer, container, lot; then, by the flush, streams.
"""
