"""What a record stands on: signatures that have to go on standing for every step that comes after them (ES-18, G-SIG-01).

Each room names those of its own part, and asks for all of them before each step that follows. Whether a signature is
authentic and over what the record says now is asked where a decision is signed (`mes.standing.stands`); here, whether
anybody has taken one back, in one question for all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mes.lifecycle import Verdict, blocked, not_applicable, passed
from mes.standing import taken_back


@dataclass(frozen=True)
class Foundation:
    """What was signed, and the key of its signature; None where nobody signed it."""

    what: str
    signature_id: int | None


def standing_on(laid: Iterable[Foundation], *, cure: str) -> Verdict:
    """Blocks where a signature is missing or was taken back. Within a unit, the answer stays true until the unit ends."""
    found = list(laid)
    if not found:
        return not_applicable("Nothing was signed so far.")
    withdrawn = taken_back(one.signature_id for one in found if one.signature_id is not None)
    gone = [one.what for one in found if one.signature_id is None or one.signature_id in withdrawn]
    evidence = {one.what: one.signature_id for one in found}
    if gone:
        return blocked(
            f"No signature stands any more for: {'; '.join(gone)}.", cure=cure, signatures=evidence
        )
    return passed(signatures=evidence)
