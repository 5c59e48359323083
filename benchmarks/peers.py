"""Peers live in environments of their own, so that their dependencies never meet ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PLACE = Path(__file__).resolve().parent.parent / "var" / "cache" / "peers"


def environment(name: str, *requirements: str) -> Path:
    """The folder of programs of a peer's environment, made on first use. Raises CalledProcessError without a registry."""
    home = PLACE / name
    if not (home / ".complete").exists():
        print(f"setting up the peer {name} …", flush=True)
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        subprocess.run([home / "bin" / "pip", "install", "-q", *requirements], check=True)
        (home / ".complete").touch()
    return home / "bin"


def packages(name: str, *requirements: str) -> Path:
    """A folder with a peer's packages alone, for a peer that runs inside Django: it shares ours, and the database's driver."""
    home = PLACE / name
    if not (home / ".complete").exists():
        print(f"setting up the peer {name} …", flush=True)
        install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(home)]
        subprocess.run([*install, *requirements], check=True)
        (home / ".complete").touch()
    return home
