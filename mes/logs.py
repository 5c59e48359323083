"""Log lines that cannot name a patient: of an exception they hold its type and where it was, not its text, and of a request its
route, not its path (K-13)."""

from __future__ import annotations

import logging
import re
import traceback
from copy import copy
from hashlib import sha256
from types import TracebackType

from django.http import HttpRequest

from mes.exceptions import Refused

Raised = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


ADDRESS = re.compile(r"\w+://\S+")


class Discreet(logging.Formatter):
    """Only our own refusals keep their text: any other exception's may hold a value, and a value may be a patient's.

    Source lines stay, for they are the program's; local variables were never shown.
    """

    def format(self, record: logging.LogRecord) -> str:
        request, record = getattr(record, "request", None), copy(record)
        # What another formatter made of the exception is kept with the record, and says what it said.
        record.exc_text = None
        if isinstance(request, HttpRequest) and isinstance(record.args, tuple):
            record.args = tuple(_without_path(arg, request) for arg in record.args or ())
        return super().format(record)

    def formatException(self, ei: Raised) -> str:  # noqa: N802 - the library's name
        return "" if ei[1] is None else "\n".join(_told(ei[1], set()))


def _without_path(arg: object, request: HttpRequest) -> object:
    """Whatever somebody typed stands in a path, also in one that leads nowhere."""
    if not isinstance(arg, str):
        return arg
    # As Django writes it before the line is made.
    written = {path.encode("unicode_escape").decode() for path in (request.path, request.get_full_path())}
    for path in sorted(written, key=len, reverse=True):
        arg = arg.replace(path, route_of(request)) if len(path) > 1 else arg
    return ADDRESS.sub("(an address)", arg)


def route_of(request: HttpRequest) -> str:
    """The template that a request's path matched; of another one its length and digest, to know it again by."""
    if request.resolver_match is not None:
        return f"/{request.resolver_match.route}"
    path = request.path.encode()
    return f"(no route: {len(path)} bytes, sha256 {sha256(path).hexdigest()[:12]})"


def _told(failure: BaseException, seen: set[int]) -> list[str]:
    """The chain of causes, oldest first, as Python prints it."""
    seen.add(id(failure))
    earlier = failure.__cause__ or (None if failure.__suppress_context__ else failure.__context__)
    lines = _told(earlier, seen) if earlier is not None and id(earlier) not in seen else []
    text = f": {failure}" if isinstance(failure, Refused) else ""
    frames = "".join(traceback.format_tb(failure.__traceback__)).rstrip()
    return [*lines, "Traceback (most recent call last):", frames, f"{type(failure).__qualname__}{text}"]
