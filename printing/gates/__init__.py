"""What must be true before material is used, a printer qualified, a build verified, a print started or accepted.

A gate answers with what it looked at. Where something is missing it blocks (K-14).
"""
