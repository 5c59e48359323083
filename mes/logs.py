"""Log lines that cannot name a patient: of an exception they hold its type and where it was, not its text (K-13)."""

from __future__ import annotations

import logging
import traceback
from types import TracebackType

from mes.exceptions import Refused

Raised = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class Discreet(logging.Formatter):
    """Only our own refusals keep their text: any other exception's may hold a value, and a value may be a patient's.

    Source lines stay, for they are the program's; local variables were never shown.
    """

    def formatException(self, ei: Raised) -> str:  # noqa: N802 - the library's name
        return "" if ei[1] is None else "\n".join(_told(ei[1], set()))


def _told(failure: BaseException, seen: set[int]) -> list[str]:
    """The chain of causes, oldest first, as Python prints it."""
    seen.add(id(failure))
    earlier = failure.__cause__ or (None if failure.__suppress_context__ else failure.__context__)
    lines = _told(earlier, seen) if earlier is not None and id(earlier) not in seen else []
    text = f": {failure}" if isinstance(failure, Refused) else ""
    frames = "".join(traceback.format_tb(failure.__traceback__)).rstrip()
    return [*lines, "Traceback (most recent call last):", frames, f"{type(failure).__qualname__}{text}"]
