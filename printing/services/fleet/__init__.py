"""Talking to printers. The only part of the house that imports drivers.

connections.py   which drivers there are, and how a printer is reached
lease.py         one process drives the printers; one that lost its lease cannot write
board.py         what the database expects of each printer, read at once for all
words.py         what a printer says, written as facts
session.py       one printer: connect, read, send, back off
process.py       all of them in one event loop; `manage.py fleet` runs it
"""
