"""The demonstration: its data, its people, its story."""
