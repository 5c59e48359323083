"""JSON from outside: what the database could not hold, or no request of ours looks like, is a 4xx and not a crash."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from io import BytesIO
from typing import IO, Any

from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import JSONParser

DEEPEST = 32
LARGEST_BYTES = 5 * 1024 * 1024
TOO_DEEP = "This JSON is nested too deeply."
ODD_TEXT = "Text with a NUL or half a character cannot be stored."
ODD_NUMBER = "Only finite numbers can be stored."
_ODD = re.compile("[\0\ud800-\udfff]")


class TooLarge(APIException):
    status_code = 413
    default_detail = "JSON may have 5 MiB at most; files travel as multipart/form-data."
    default_code = "too_large"


class ShallowJSONParser(JSONParser):
    """DRF's parser, with a limit on size and depth, and without NUL, half characters and numbers beyond a double."""

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
        if fault := fault_of(parsed):
            raise ParseError(fault)
        return parsed


def fault_of(value: Any, limit: int = DEEPEST) -> str:
    """What is wrong with a JSON value, or ""."""
    if isinstance(value, str):
        return ODD_TEXT if _ODD.search(value) else ""
    if isinstance(value, float):
        return "" if math.isfinite(value) else ODD_NUMBER
    if not isinstance(value, (dict, list)):
        return ""
    if limit == 0:
        return TOO_DEEP
    inner = [*value, *value.values()] if isinstance(value, dict) else value
    return next((fault for item in inner if (fault := fault_of(item, limit - 1))), "")
