"""What the front of a spectacle frame is made of, and how it is measured back."""
