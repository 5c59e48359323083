"""What must be true before an order or a device moves: answers with evidence, never exceptions on purpose.

A gate answers with what it looked at. Where something is missing it blocks (K-14).
"""
