"""What an installation decided about signing, and the texts that signers agree to (ES-04, ES-13)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta

from django.conf import settings

from mes.choices import Meaning
from mes.eventlog.base import digest_of
from mes.registry import Registry

ABSOLUTE = timedelta(hours=8)
FAILURES = 3
RENEWED = timedelta(days=365)
TOGETHER = 50

LEGAL_EFFECT = "Your electronic signature binds you in law as your handwritten signature does."
STATEMENT_VERSION = 1
STATEMENT = (
    "I am accountable for everything that is done and signed with my account. My electronic signature is meant to be "
    "the legally binding equivalent of my handwritten signature (21 CFR 11.10(j), 11.100(c)). I keep my password and "
    "my passkey to myself, I let nobody sign in my name, I sign for nobody else, and I report a loss or a suspicion "
    "at once."
)
# These decide about one thing at a time, each looked at by itself (ES-05).
NEVER_TOGETHER = frozenset({Meaning.RELEASED, Meaning.DESIGN_APPROVED, Meaning.REJECTED, Meaning.WITHDRAWN})
DECIDED_ALONE: Registry[str] = Registry("root that is decided about alone")
"""Roots whose signatures are dispositions; the packages add theirs."""
# Who says no, or takes something back, says why (dialog of ES-06).
COMMENTED = frozenset({Meaning.REJECTED, Meaning.WITHDRAWN})


@dataclass(frozen=True)
class SigningPolicy:
    """`idle_minutes` end a series; `letter`: whether a missing letter to the FDA refuses or only warns."""

    idle_minutes: int
    login_opens_series: bool
    markets: tuple[str, ...]
    letter: str
    clock: str
    statement_version: int = STATEMENT_VERSION

    @property
    def idle(self) -> timedelta:
        return timedelta(minutes=self.idle_minutes)

    @property
    def letter_needed(self) -> bool:
        return "US" in self.markets


def policy() -> SigningPolicy:
    return SigningPolicy(
        idle_minutes=settings.SIGNING_IDLE_MINUTES,
        login_opens_series=settings.SIGNING_LOGIN_OPENS_SERIES,
        markets=tuple(settings.SIGNING_MARKETS),
        letter=settings.SIGNING_LETTER,
        clock=settings.SIGNING_CLOCK,
    )


def config_version() -> str:
    """The start of the digest of what this installation decided: on each signature (K-11)."""
    return digest_of(asdict(policy()))[:16]
