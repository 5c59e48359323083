"""Where somebody sits: what tells one terminal's session from another (21 CFR 11.200(a)(1))."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Terminal:
    """`session_key_digest`: SHA-256 (hex) of the session's key, empty where there is no session; the network address;
    what the browser says of itself."""

    session_key_digest: str
    address: str
    agent: str
