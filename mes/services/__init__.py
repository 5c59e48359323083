"""Verbs of the kernel: keyword-only functions, one unit of work each."""
