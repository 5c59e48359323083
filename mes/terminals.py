"""From where somebody acts: which session, which address, which program (21 CFR 11.10(h), 11.300(d))."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Terminal:
    """A browser's or a program's place. `session_key_digest` is the SHA-256 of the session's key, empty where there is
    none; `address` is the client's IP address; `agent` is what the program says of itself, cut to 200 characters.
    `station` is the number of the registered station that its key proved it to be, 0 where it is none."""

    session_key_digest: str
    address: str
    agent: str
    station: int = 0

    @property
    def network(self) -> str:
        """What one client can hold many addresses of: an IPv6 /64, an IPv4 address by itself."""
        try:
            address = ipaddress.ip_address(self.address)
        except ValueError:
            return self.address
        if address.version == 4:
            return str(address)
        return str(ipaddress.ip_network((address, 64), strict=False))

    def as_payload(self) -> dict[str, str]:
        return {"session": self.session_key_digest, "address": self.address, "agent": self.agent}


def address_of(text: str) -> str:
    """An IP address in its one written form, an IPv4 address within IPv6 as itself; "unknown" for whatever else a proxy
    passed on, so that no free text is an address of the record, or a source of its own (ES-15)."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return UNKNOWN if text else ""
    mapped = address.ipv4_mapped if address.version == 6 else None
    return str(mapped or address)


UNKNOWN = "unknown"
CONSOLE = Terminal("", "console", "")
_terminal: ContextVar[Terminal] = ContextVar("lamina_terminal", default=CONSOLE)


def digest_of_key(session_key: str | None) -> str:
    return hashlib.sha256(session_key.encode()).hexdigest() if session_key else ""


def terminal() -> Terminal:
    """From where the running request came; the console, where no request runs."""
    return _terminal.get()


@contextmanager
def at_terminal(place: Terminal) -> Iterator[None]:
    token = _terminal.set(place)
    try:
        yield
    finally:
        _terminal.reset(token)


@dataclass
class _Door:
    """A request that came in. proved: its person gave the own secret with it."""

    proved: bool = False


_door: ContextVar[_Door | None] = ContextVar("lamina_door", default=None)


@contextmanager
def at_door() -> Iterator[None]:
    """What a request does. Whatever runs without one (the console, a handler) was let in another way."""
    token = _door.set(_Door())
    try:
        yield
    finally:
        _door.reset(token)


def secret_was_given() -> None:
    """The own secret came with the running request, and is right."""
    if (door := _door.get()) is not None:
        door.proved = True


def secret_is_missing() -> bool:
    """Whether a request runs that nobody's secret came with."""
    door = _door.get()
    return door is not None and not door.proved
