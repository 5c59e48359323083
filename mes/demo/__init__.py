"""The demo: a real case carried from its CT to release."""
