"""Log lines that cannot name a patient."""

import io
import logging
import sys
from contextlib import suppress
from typing import Any

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import RequestFactory
from django.urls import Resolver404, resolve
from django.utils.log import log_response
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


def test_what_another_formatter_made_of_it_is_not_repeated() -> None:
    name = "Okafor"
    try:
        raise RuntimeError(name)
    except RuntimeError:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "failed", None, sys.exc_info())
    assert "Okafor" in logging.Formatter().format(record)
    shown = Discreet("{message}", style="{").format(record)
    assert ("RuntimeError" in shown, "Okafor" in shown) == (True, False)
    assert "Okafor" in logging.Formatter().format(record)


def test_so_are_its_causes() -> None:
    failure = RuntimeError("outer Mustermann")
    failure.__cause__ = KeyError("inner Mustermann")
    line = logged(failure)
    assert "Mustermann" not in line
    assert line.index("KeyError") < line.index("RuntimeError")


def test_our_own_refusals_keep_their_words() -> None:
    assert "The upload is empty." in logged(InvalidInput("The upload is empty."))


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/patients/MRN-CANARY1/", "Not Found: /patients/<str:token>/"),
        ("/MRN-CANARY1/", "Not Found: (no route: 13 bytes, sha256 "),
        ("/emergencies/Can\u00e1ry%20CANARY/", "Not Found: /emergencies/<str:code>/"),
    ],
)
def test_a_path_is_logged_as_its_route(path: str, route: str) -> None:
    request = RequestFactory().get(path)
    with suppress(Resolver404):
        request.resolver_match = resolve(request.path)
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(Discreet("{message}", style="{"))
    logger = logging.Logger("django.request")  # noqa: LOG001 - apart from those that the process writes
    logger.addHandler(handler)
    log_response(
        "Not Found: %s", request.path, response=HttpResponse(status=404), request=request, logger=logger
    )
    (line,) = written.getvalue().splitlines()
    assert line.startswith(route)
    assert "canary" not in line.lower()


def test_every_process_logs_this_way() -> None:
    formatters: Any = settings.LOGGING["formatters"]
    for formatter in formatters.values():
        assert import_string(formatter["()"]) is Discreet
