"""The server's signature key, which signs manifests, and the public keys that a bundle carries."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mes.eventlog.sealing import SealKey
from mes.exceptions import Refused
from mes.vault import key_in


def signature_key(folder: Path) -> SealKey:
    """The key in `signing.key`, made on the first day. Its public half lies beside it for whoever verifies."""
    secret = key_in(folder / "signing.key", lambda: Ed25519PrivateKey.generate().private_bytes_raw())
    key = SealKey(Ed25519PrivateKey.from_private_bytes(secret))
    public = folder / f"signing-{key.id}.pub"
    if not public.exists():
        public.write_text(key.private.public_key().public_bytes_raw().hex() + "\n")
    return key


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
