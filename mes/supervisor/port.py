"""The TCP port to listen on, as a command line or the environment says it."""

import os
from argparse import ArgumentParser, ArgumentTypeError

HIGHEST = 65_535


def add_port(parser: ArgumentParser) -> None:
    """`--port`; without it the variable PORT, else 8000. What is no port ends the command with one sentence."""
    default = os.environ.get("PORT", "8000")
    parser.add_argument("--port", type=port_of, default=default, help="default: PORT, else 8000")


def port_of(text: str) -> int:
    """Raises ArgumentTypeError, which argparse tells without a traceback."""
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= HIGHEST):
        raise ArgumentTypeError(f"'{text[:20]}' is no port. Give a number from 1 to {HIGHEST}.")
    return int(text)
