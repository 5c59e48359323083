"""What people say to services: read in one place, whichever door it came through."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

import pytest

from mes.eventlog.unit import unit_of_work
from mes.exceptions import InvalidInput
from mes.text import WORDS
from tests.architecture.test_code import PACKAGES

UNSEEN = "\u200b" * 12
KEYS = frozenset({
    # names of things that exist, choices, codes and digests: looked up, and refused where there is no such thing
    "action", "certificate", "code", "counted", "digest", "driver", "expires_precision", "format", "key", "kind", "level",
    "locked_event", "master_code", "material", "material_code", "media_type", "of", "operation", "outcome", "printer_kind", "purpose",
    "scanned", "scanned_code", "series", "sha256", "side", "stage", "station", "step", "subject", "timezone", "transition",
    "withdrawal",
    # the house's own
    "because", "cause", "keep", "rule", "source", "unnamed",
    # secrets and answers of programs: compared, never shown
    "answer", "password", "word",
    # what printers say
    "text",
    # of a form that is narrower than "can be seen"
    "address", "identifier", "issuer", "number", "revision", "username",
})  # fmt: skip
"""Texts that services take and that are nobody's words."""


def services() -> Iterator[Callable[..., Any]]:
    """Every unit of work of the packages' services."""
    for package in PACKAGES:
        root = import_module(f"{package}.services")
        for module in (
            import_module(found.name) for found in walk_packages(root.__path__, f"{root.__name__}.")
        ):
            for thing in vars(module).values():
                if inspect.isfunction(thing) and thing.__module__ == module.__name__ and _is_unit(thing):
                    yield thing


def _is_unit(function: Callable[..., Any]) -> bool:
    return function.__code__.co_qualname.startswith(f"{unit_of_work.__name__}.")


def words_in(service: Callable[..., Any]) -> list[str]:
    return [name for name in inspect.signature(service).parameters if name in WORDS]


@pytest.mark.requirement("P11-10e")
def test_every_text_that_a_service_takes_is_words_or_a_key() -> None:
    asked = {
        f"{service.__module__}.{service.__name__}({name})"
        for service in services()
        for name, parameter in inspect.signature(service).parameters.items()
        if str(parameter.annotation).removesuffix(" | None") == "str" and name not in {*WORDS, *KEYS}
    }
    assert asked == set(), "what a person says is named as in mes.text.WORDS"


@pytest.mark.django_db
@pytest.mark.requirement("P11-10e", "P11-50a", "ES-18")
def test_no_service_takes_words_that_cannot_be_seen() -> None:
    """Each word of each service by itself; nothing else of the call is there, so it is refused before anything is done."""
    asked = [(service, name) for service in services() for name in words_in(service)]
    assert len(asked) > 100, "the services were not found"
    assert [f"{one.__name__}({name})" for one, name in asked if not refuses(one, name)] == []


def refuses(service: Callable[..., Any], name: str) -> bool:
    call = dict.fromkeys(inspect.signature(service).parameters) | {name: UNSEEN}
    try:
        service(**call)
    except InvalidInput as refusal:
        return "U+200B" in refusal.reasons[0].text
    except Exception:  # noqa: BLE001 - whatever it does with nothing, it has begun
        return False
    return False
