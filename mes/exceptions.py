"""Refusals: exceptions that say what happened, why, and what cures it. Mapped once to HTTP in `mes.api.errors`."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Reason:
    """One reason of a refusal. `rule` is the id of the gate or rule, where one applies."""

    text: str
    cure: str = ""
    rule: str = ""

    def __str__(self) -> str:
        head = f"{self.rule}: {self.text}" if self.rule else self.text
        return f"{head} {self.cure}".strip()


class Refused(Exception):
    """A request that the rules do not allow, with every reason at once. Nothing was changed."""

    code = "refused"

    def __init__(self, reasons: str | Reason | Sequence[Reason], *, cure: str = "", rule: str = "") -> None:
        if isinstance(reasons, str):
            reasons = Reason(reasons, cure, rule)
        self.reasons: tuple[Reason, ...] = (reasons,) if isinstance(reasons, Reason) else tuple(reasons)
        super().__init__("; ".join(str(reason) for reason in self.reasons))


class InvalidInput(Refused):
    """The input itself cannot be used: empty, malformed, out of limits."""

    code = "invalid_input"


class NotPermitted(Refused):
    """This person may not do this to this object."""

    code = "not_permitted"


class NotKnown(NotPermitted):
    """This person may not know the object: for them there is none (404, never 403)."""

    code = "not_found"


class SignatureRefused(Refused):
    """The signature could not be made: wrong components, wrong meaning, or the content changed meanwhile."""

    code = "signature_refused"


class ContentChanged(SignatureRefused):
    """What was to be signed is no longer what was shown (ES-19)."""

    code = "content_changed"


class ContentUnseen(SignatureRefused):
    """Nothing says which content the signer was shown (ES-19). `content` is what would be signed, and `digest` its own."""

    code = "content_unseen"
    content: Mapping[str, Any] | None = None
    digest = ""


class SigningStopped(SignatureRefused):
    """The third failed signing or wrong secret in a row: the session that it came from ends (ES-15)."""


class TransitionRefused(Refused):
    """A gate, the stage or a missing signature forbids the transition."""

    code = "transition_refused"


class Conflict(Refused):
    """Somebody else changed the object first."""

    code = "conflict"


class TooOften(Refused):
    """Allowed, but not as often as this."""

    code = "too_often"


class IdentityErased(Refused):
    """The patient's identity was erased: only the token is left (K-13)."""

    code = "identity_erased"


class LeaseLost(RuntimeError):
    """A worker came back after its lease ended: its result must not be written."""


class PublishOutsideUnit(RuntimeError):
    """`publish()` was called where no unit of work is open, so the fact could be lost or untrue."""


def described(failure: BaseException) -> str:
    """What failed and where, for logs and operators. Only our own refusals keep their text: any other exception's
    may hold a value, and a value may be a patient's."""
    frames = traceback.extract_tb(failure.__traceback__)[-3:]
    place = " < ".join(
        f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(frames)
    )
    text = f": {failure}" if isinstance(failure, Refused) else ""
    return f"{type(failure).__name__}{text} ({place or 'no traceback'})"
