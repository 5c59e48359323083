"""Every route of the URL table, with an address that leads to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from django.urls import Resolver404, URLPattern, URLResolver, get_resolver, resolve
from django.utils.regex_helper import normalize

SAMPLES = (
    "D0000001",
    "1",
    "0" * 64,
    "00000000-0000-0000-0000-000000000000",
    "CX78KCDMJ2",
    "pdf",
    "submit",
    "approve-design",
    "queue",
    "O0000001",
)


@dataclass(frozen=True)
class Route:
    """address: one that leads there.  template: the same with {names}.  name: as in the URL table."""

    address: str
    template: str
    name: str
    callback: Any

    @property
    def is_api(self) -> bool:
        return self.address.startswith("/api/")


def every_route() -> list[Route]:
    return [_route(regex, pattern) for regex, pattern in _patterns(get_resolver(), "")]


def _patterns(resolver: URLResolver, before: str) -> Iterator[tuple[str, URLPattern]]:
    for entry in resolver.url_patterns:
        regex = before + entry.pattern.regex.pattern.removeprefix("^")
        if isinstance(entry, URLResolver):
            yield from _patterns(entry, regex)
        else:
            yield regex, entry


def _route(regex: str, pattern: URLPattern) -> Route:
    form, names = normalize(regex)[0]
    for values in product(SAMPLES, repeat=len(names)):
        address = "/" + form % dict(zip(names, values, strict=True))
        try:
            found = resolve(address)
        except Resolver404:
            continue
        if found.func is pattern.callback:
            template = "/" + form % {name: f"{{{name}}}" for name in names}
            return Route(address, template, pattern.name or "", pattern.callback)
    raise AssertionError(f"no sample leads to {regex}: add one")
