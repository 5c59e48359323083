"""JSON from outside: what the database could not hold, or no request of ours looks like, is a 4xx and not a crash."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from io import BytesIO
from typing import IO, Any

from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import JSONParser

from mes.text import unseen_in

DEEPEST = 32
LARGEST_BYTES = 5 * 1024 * 1024
TOO_DEEP = "This JSON is nested too deeply."
ODD_TEXT = "Text with a NUL or half a character cannot be stored."
ODD_NUMBER = "Only finite numbers can be stored."
SECRET_NAMES = ("password", "assertion", "secret")
_ODD = re.compile("[\0\ud800-\udfff]")


class TooLarge(APIException):
    status_code = 413
    default_detail = "JSON may have 5 MiB at most; files travel as multipart/form-data."
    default_code = "too_large"


class ShallowJSONParser(JSONParser):
    """DRF's parser, with a limit on size and depth, and without NUL, half and unseen characters, and numbers beyond a double."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        body = stream.read(LARGEST_BYTES + 1)
        if len(body) > LARGEST_BYTES:
            raise TooLarge
        try:
            parsed = super().parse(BytesIO(body), media_type, parser_context)
        except RecursionError:
            raise ParseError(TOO_DEEP) from None
        place, fault = _first_fault(parsed)
        if fault:
            raise ParseError(f"{place}: {fault}" if place else fault)
        return parsed


def fault_of(value: Any, limit: int = DEEPEST) -> str:
    """What is wrong with a JSON value, or ""."""
    return _first_fault(value, limit=limit)[1]


def fault_in_text(text: str, *, secret: bool = False) -> str:
    """What is wrong with a text, or "". A secret is compared and never shown: it may hold what cannot be seen."""
    if _ODD.search(text):
        return ODD_TEXT
    found = "" if secret else unseen_in(text)
    return f"A character that cannot be seen ({found}) cannot be taken." if found else ""


def is_secret(name: str) -> bool:
    return any(word in name for word in SECRET_NAMES)


def _first_fault(value: Any, place: str = "", limit: int = DEEPEST) -> tuple[str, str]:
    """Where the first fault of a JSON value is, as "a.0", and what it is; two empty texts where there is none."""
    if isinstance(value, str):
        return place, fault_in_text(value, secret=is_secret(place))
    if isinstance(value, float):
        return place, "" if math.isfinite(value) else ODD_NUMBER
    if not isinstance(value, (dict, list)):
        return place, ""
    if limit == 0:
        return place, TOO_DEEP
    if isinstance(value, dict) and (fault := next(filter(None, map(fault_in_text, value)), "")):
        return place, fault
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    found = (_first_fault(item, f"{place}.{key!s:.40}".lstrip("."), limit - 1) for key, item in inner)
    return next((each for each in found if each[1]), (place, ""))
