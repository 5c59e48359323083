"""From where somebody comes: an IP address, and a proxy's word only where the operator names the proxy (ES-15, P11-10h)."""

from __future__ import annotations

import pytest
from django.test import RequestFactory

from mes.api.actors import terminal_of
from mes.supervisor.programs import web

pytestmark = pytest.mark.requirement("ES-15")


def arguments() -> list[str]:
    return web("127.0.0.1", 8000).argv()


def test_a_forwarded_address_is_believed_only_from_a_named_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise whoever reaches the site from its own machine is a new source with every attempt."""
    monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)
    assert "--no-proxy-headers" in arguments()
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "127.0.0.1")
    assert "--no-proxy-headers" not in arguments()


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:DB8:0::7", "2001:db8::7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::1"),
        ("<script>", "unknown"),
        ("192.0.2.7, 10.0.0.1", "unknown"),
        ("attempt-4711", "unknown"),
        ("", ""),
    ],
)
def test_only_an_ip_address_is_an_address(told: str, kept: str) -> None:
    place = terminal_of(RequestFactory().get("/", REMOTE_ADDR=told))
    assert (place.address, place.as_payload()["address"]) == (kept, kept)


def test_what_is_no_address_is_one_source_however_it_reads() -> None:
    asked = (RequestFactory().get("/", REMOTE_ADDR=f"attempt-{number}") for number in range(3))
    assert {terminal_of(request).network for request in asked} == {"unknown"}
