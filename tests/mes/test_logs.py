"""Log lines that cannot name a patient."""

import logging
from typing import Any

import pytest
from django.conf import settings
from django.utils.module_loading import import_string

from mes.exceptions import InvalidInput
from mes.logs import Discreet

pytestmark = pytest.mark.requirement("K-13")


def logged(failure: Exception) -> str:
    record = logging.LogRecord("x", logging.ERROR, __file__, 1, "Internal Server Error: %s", ("/api/",), None)
    try:
        raise failure
    except Exception as caught:  # noqa: BLE001 - whatever it is
        record.exc_info = (type(caught), caught, caught.__traceback__)
    return Discreet("{levelname} {message}", style="{").format(record)


def test_an_exception_is_named_with_its_place_and_without_its_text() -> None:
    line = logged(ValueError("Mustermann is no date"))
    assert "Mustermann" not in line
    for part in ("ERROR Internal Server Error: /api/", "ValueError", "test_logs.py", "in logged"):
        assert part in line


def test_so_are_its_causes() -> None:
    failure = RuntimeError("outer Mustermann")
    failure.__cause__ = KeyError("inner Mustermann")
    line = logged(failure)
    assert "Mustermann" not in line
    assert line.index("KeyError") < line.index("RuntimeError")


def test_our_own_refusals_keep_their_words() -> None:
    assert "The upload is empty." in logged(InvalidInput("The upload is empty."))


def test_every_process_logs_this_way() -> None:
    formatters: Any = settings.LOGGING["formatters"]
    for formatter in formatters.values():
        assert import_string(formatter["()"]) is Discreet
