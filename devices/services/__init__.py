"""Verbs of what is made: keyword-only functions, one unit of work each."""
