"""The kernel and the roof of the house."""

VERSION = "0.1.0"
