"""The public keys that a bundle carries."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mes.exceptions import Refused


def public_files(folder: Path, names: Iterable[str]) -> dict[str, bytes]:
    """Public keys by the name of their file, such as `seal-0123456789abcdef`. Raises Refused where one is not at hand."""
    missing = sorted(name for name in names if not (folder / f"{name}.pub").is_file())
    if missing:
        raise Refused(
            f"The public keys {', '.join(missing)} are not at hand.",
            cure="Restore them from the backup.",
            rule="P11-10a",
        )
    return {f"{name}.pub": (folder / f"{name}.pub").read_bytes() for name in sorted(names)}
