"""JSON from outside, with a limit on its depth: five thousand nested brackets are a 400, not a crash."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

DEEPEST = 32


class ShallowJSONParser(JSONParser):
    """DRF's parser, refusing what no request of ours looks like."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        try:
            parsed = super().parse(stream, media_type, parser_context)
        except RecursionError:
            raise ParseError("This JSON is nested too deeply.") from None
        if _depth_over(parsed, DEEPEST):
            raise ParseError("This JSON is nested too deeply.")
        return parsed


def _depth_over(value: Any, limit: int) -> bool:
    if not isinstance(value, (dict, list)):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return limit == 0 or any(_depth_over(item, limit - 1) for item in inner)
