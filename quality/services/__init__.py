"""Verbs of quality: keyword-only functions, one unit of work each."""
