"""Signing several records in one act: each its own row and digest, all of them or none (ES-05)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mes.choices import Meaning
from mes.eventlog.unit import unit_of_work
from mes.exceptions import ContentChanged, InvalidInput, Reason, Refused, SignatureRefused
from mes.services.signatures import Credentials, Together
from mes.services.signing_policy import NEVER_TOGETHER, TOGETHER


@dataclass(frozen=True)
class Deed:
    """One record of a batch: its code, the digest that its row of the list showed, and the service that signs it."""

    code: str
    digest: str
    do: Callable[[Credentials], Any]


@unit_of_work
def sign_together(*, deeds: Sequence[Deed], meaning: Meaning, credentials: Credentials) -> list[Any]:
    """Do every deed with the components typed once. The first that is refused takes all the others back, and its
    reasons name its record. Returns what each deed returned."""
    _refuse_unfit(deeds, meaning)
    together = Together(meaning)
    done = []
    for deed in deeds:
        try:
            done.append(deed.do(replace(credentials, digest=deed.digest, together=together)))
        except Refused as refusal:
            named = [Reason(f"{deed.code}: {why.text}", why.cure, why.rule) for why in refusal.reasons]
            raise type(refusal)(named) from refusal
    return done


def _refuse_unfit(deeds: Sequence[Deed], meaning: Meaning) -> None:
    if meaning in NEVER_TOGETHER:
        raise SignatureRefused(
            f"“{meaning.label}” is signed for one record at a time.",
            cure="Open it and sign it there.",
            rule="ES-05",
        )
    if not 1 <= len(deeds) <= TOGETHER or len({deed.code for deed in deeds}) < len(deeds):
        raise InvalidInput(
            f"From 1 to {TOGETHER} different records are signed together.",
            cure="Choose some of the list.",
            rule="ES-05",
        )
    if unseen := [deed.code for deed in deeds if not deed.digest]:
        raise ContentChanged(
            f"{', '.join(unseen)}: what is signed was not shown.", cure="Open the list again.", rule="ES-19"
        )
