"""Material lots: received into quarantine, released against their certificate, held, rejected, expired."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

from django.utils import timezone

from devices.models import Material
from mes.choices import Meaning
from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.exceptions import InvalidInput, NotPermitted, TransitionRefused
from mes.lifecycle import ask_gates, refuse_blocked
from mes.limits import day_fault, is_number, quantity_fault, refuse, refuse_too_many
from mes.models import Artefact, Signature
from mes.permissions import require
from mes.services.artefacts import store_artefact
from mes.services.signatures import Credentials, sign
from mes.standing import carries
from mes.text import names_read, refuse_unseen
from printing.choices import USABLE_LOTS, LotState, Precision, Unit
from printing.events import (
    ContainerRegistered,
    LotExpired,
    LotHeld,
    LotHoldReleased,
    LotReceived,
    LotRejected,
    LotReleased,
    LotReturned,
)
from printing.lifecycle import LOT
from printing.models import Container, MaterialLot
from printing.selectors.material import devices_made_from, lot_content
from printing.services.certificates import read_certificate
from printing.services.consumption import MOST, STEP
from printing.services.labels import new_label
from printing.services.moves import locked, move, person_of, write

MAXIMUM_CONTAINERS = 200
MAXIMUM_RESULTS = 200
YEARS_OVER, YEARS_AHEAD = 10, 25
LOT_NUMBER = re.compile(r"[0-9A-Za-z][0-9A-Za-z ._/+-]{0,59}")


@unit_of_work
def receive_lot(
    *,
    material: str,
    supplier: str,
    supplier_lot: str,
    quantity: Decimal,
    unit: str,
    expires_on: date,
    expires_precision: str = Precision.DAY,
    certificate: Sequence[Mapping[str, Any]] = (),
    certificate_file: BinaryIO | bytes | Path | None = None,
    containers: Sequence[Decimal] = (),
    actor: Actor,
) -> MaterialLot:
    """Put a supplier's lot into quarantine (regulatory.md 4.2) and give each container a label.

    `containers`: the quantity of each, together the lot's; one container with everything where none are given.
    """
    require(actor, "printing.receive_lot")
    quantities = _check_quantities(quantity, containers)
    _check_words(supplier, supplier_lot, unit, expires_precision)
    expiry = day_fault(
        "The expiry date", expires_on, years_back=YEARS_OVER, years_ahead=YEARS_AHEAD, rule="G-MAT-02"
    )
    refuse(expiry)
    refuse_too_many("Results of the certificate", certificate, MAXIMUM_RESULTS, rule="G-MAT-03")
    specified = _specified(material)
    _refuse_known(specified, supplier, supplier_lot)
    lot = MaterialLot.objects.create(
        material=specified,
        supplier=supplier.strip(),
        supplier_lot=supplier_lot,
        unit=unit,
        received=sum(quantities),
        remaining=sum(quantities),
        expires_on=expires_on,
        expires_precision=expires_precision,
        certificate=[_check_result(result) for result in certificate],
        certificate_file=_store_certificate(certificate_file),
        received_by_id=person_of(actor),
    )
    labels = [_register_container(lot, part, actor) for part in quantities]
    received = LotReceived(
        lot_id=lot.pk,
        material=material,
        supplier_lot=supplier_lot,
        quantity=str(lot.received),
        unit=unit,
        containers=labels,
    )
    publish(lot, received, actor=actor)
    return lot


def _refuse_known(material: Material, supplier: str, supplier_lot: str) -> None:
    """A lot is received once, however its names are written this time: a rejected one has no way back (G-MAT-01)."""
    lots = MaterialLot.objects.filter(material=material).only("supplier", "supplier_lot")
    given = (_plain(supplier), _plain(supplier_lot))
    known = next((lot for lot in lots if (_plain(lot.supplier), _plain(lot.supplier_lot)) == given), None)
    if known:
        raise InvalidInput(
            f"Lot {supplier_lot} of this material was received before: it is {known.code}.",
            cure="Look it up by its number; a second delivery needs a number of its own.",
        )


def _plain(name: str) -> str:
    """A name without what people write now this way, now that: case, width and spaces. What joins a number's parts counts."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


def _check_quantities(quantity: Decimal, containers: Sequence[Decimal]) -> list[Decimal]:
    parts = list(containers) or [quantity]
    if len(parts) > MAXIMUM_CONTAINERS:
        raise InvalidInput(
            f"A delivery has at most {MAXIMUM_CONTAINERS} containers.", cure="Receive it in parts."
        )
    named = [("The quantity", quantity), *(("The quantity of a container", part) for part in parts)]
    refuse(*(quantity_fault(name, number, most=MOST, step=STEP) for name, number in named))
    if sum(parts) != quantity:
        raise InvalidInput(
            f"The containers hold {sum(parts)} together, the delivery note says {quantity}.",
            cure="Count again.",
        )
    return parts


def _check_words(supplier: str, supplier_lot: str, unit: str, precision: str) -> None:
    names_read({"The supplier": supplier}, longest=120)
    if not LOT_NUMBER.fullmatch(supplier_lot):
        raise InvalidInput(
            "This cannot be a supplier's lot number.", cure="Type it as it is printed on the container."
        )
    if unit not in Unit.values or precision not in Precision.values:
        raise InvalidInput(
            "Unit or precision is unknown.", cure="Use ml or g, and day or month.", rule="K-10"
        )


def _specified(code: str) -> Material:
    material = Material.objects.filter(code=code).first()
    if material is None or material.status != "effective":
        raise InvalidInput(
            f"No material specification '{code[:40]}' is in effect.",
            cure="Have the material specified first.",
            rule="G-MAT-07",
        )
    return material


def _check_result(result: Mapping[str, Any]) -> dict[str, Any]:
    """One line of the certificate: {"characteristic", "value", "unit", "minimum", "maximum"}."""
    name, value = result.get("characteristic"), result.get("value")
    limits = [result.get("minimum"), result.get("maximum")]
    numbers = [number for number in (value, *limits) if number is not None]
    if not isinstance(name, str) or not 1 <= len(name.strip()) <= 80 or value is None:
        raise InvalidInput(
            "A result of the certificate needs a name and a value.",
            cure="Give both as they are printed on it.",
            rule="G-MAT-03",
        )
    unit = str(result.get("unit", ""))[:20]
    words = {"A characteristic of the certificate": name.strip(), f"The unit of '{name.strip()}'": unit}
    refuse_unseen(words, lines=False, rule="G-MAT-03")
    if not all(is_number(number) for number in numbers):
        raise InvalidInput(
            f"'{name}' of the certificate is not a number that can be measured.",
            cure="Give a finite number in the certificate's unit.",
            rule="G-MAT-03",
        )
    return {
        "characteristic": name.strip(),
        "value": value,
        "unit": unit,
        "minimum": limits[0],
        "maximum": limits[1],
    }


def _store_certificate(file: BinaryIO | bytes | Path | None) -> Artefact | None:
    if file is None:
        return None
    content, media_type = read_certificate(file)
    return store_artefact(content, media_type=media_type)


def _register_container(lot: MaterialLot, quantity: Decimal, actor: Actor) -> str:
    container = Container.objects.create(lot=lot, label=new_label(), filled=quantity, remaining=quantity)
    fact = ContainerRegistered(container_id=container.pk, lot_id=lot.pk, label=container.label)
    publish(container, fact, actor=actor)
    return container.label


@unit_of_work
def release_lot(*, lot_id: int, actor: Actor, credentials: Credentials) -> Signature:
    """Release a lot from quarantine by signature over its certificate (G-MAT-02, G-MAT-03, G-SOD-01).

    Again, where the release was withdrawn: the lot stays where it stands.
    """
    lot = locked(MaterialLot, lot_id, what="lot")
    require(actor, "printing.release_lot", lot)
    again = lot.state in USABLE_LOTS and not carries(lot, "release_signature")
    if not again:
        LOT.row("release", lot.state)
    results = ask_gates("lot.release", lot, actor=actor)
    refuse_blocked(results)
    signature = sign(
        subject=lot, content=lot_content(lot), meaning=Meaning.APPROVED, actor=actor, credentials=credentials
    )
    given: dict[str, Any] = {"released_by_id": actor.person_id, "release_signature": signature}
    if again:
        write(lot, **given)
    else:
        move(lot, LOT, "release", **given)
    released = LotReleased(
        lot_id=lot.pk, signature_id=signature.pk, gates=[result.as_payload() for result in results]
    )
    publish(lot, released, actor=actor)
    return signature


@unit_of_work
def return_lot(*, signature_id: int, actor: Actor) -> None:
    """Put the lot whose release this signature was back into quarantine, to be released again. Of a held one, once its
    hold is released."""
    require(actor, "printing.return_lot")
    found = MaterialLot.objects.filter(release_signature_id=signature_id).values_list("pk", flat=True).first()
    if found is None:
        return
    lot = locked(MaterialLot, found, what="lot")
    source = lot.state
    if source == LotState.ON_HOLD:
        write(lot, held_from=LotState.QUARANTINE)
    elif source in USABLE_LOTS:
        move(lot, LOT, "return")
    else:
        return
    returned = LotReturned(lot_id=lot.pk, signature_id=signature_id, source=source)
    publish(lot, returned, actor=actor, reason="Its release was withdrawn.")


@unit_of_work
def reject_lot(*, lot_id: int, actor: Actor, credentials: Credentials, reason: str) -> None:
    """Reject a lot for good."""
    lot = locked(MaterialLot, lot_id, what="lot")
    require(actor, "printing.reject_lot", lot)
    _need(reason, "Say why the lot is rejected.")
    LOT.row("reject", lot.state)
    content = {**lot_content(lot), "reason": reason}
    signature = sign(
        subject=lot, content=content, meaning=Meaning.REJECTED, actor=actor, credentials=credentials
    )
    move(lot, LOT, "reject")
    publish(lot, LotRejected(lot_id=lot.pk, signature_id=signature.pk), actor=actor, reason=reason)


@unit_of_work
def hold_lot(*, lot_id: int, actor: Actor, reason: str) -> None:
    """Keep a lot from being used. The event names the devices that contain it already."""
    lot = locked(MaterialLot, lot_id, what="lot")
    require(actor, "printing.hold_lot", lot)
    _need(reason, "Say why the lot is held.")
    source = move(lot, LOT, "hold", held_from=lot.state, hold_reason=reason)
    devices = sorted(devices_made_from(lot).values_list("pk", flat=True))
    publish(lot, LotHeld(lot_id=lot.pk, held_from=source, devices=devices), actor=actor, reason=reason)


@unit_of_work
def release_lot_hold(*, lot_id: int, actor: Actor, credentials: Credentials, reason: str) -> None:
    """Let a held lot stand again where it stood."""
    lot = locked(MaterialLot, lot_id, what="lot")
    require(actor, "printing.release_lot_hold", lot)
    _need(reason, "Say why the hold can go.")
    if lot.state != LotState.ON_HOLD:
        raise TransitionRefused(f"{lot.code} is not on hold.", cure="Nothing to release.", rule="K-06")
    content = {**lot_content(lot), "reason": reason}
    signature = sign(
        subject=lot, content=content, meaning=Meaning.APPROVED, actor=actor, credentials=credentials
    )
    write(lot, state=lot.held_from, held_from="", hold_reason="")
    released = LotHoldReleased(lot_id=lot.pk, state=lot.state, signature_id=signature.pk)
    publish(lot, released, actor=actor, reason=reason)


@unit_of_work
def expire_lot(*, lot_id: int, actor: Actor) -> None:
    """Record that a lot's last day is over (K-10)."""
    require(actor, "printing.expire_lot")
    lot = locked(MaterialLot, lot_id, what="lot")
    if lot.last_day >= timezone.localdate():
        raise NotPermitted(f"{lot.code} has not expired.", cure="Hold it instead.", rule="G-MAT-02")
    move(lot, LOT, "expire")
    publish(lot, LotExpired(lot_id=lot.pk, last_day=lot.last_day.isoformat()), actor=actor)


def _need(reason: str, text: str) -> None:
    if not reason.strip():
        raise InvalidInput(text, rule="P11-10e")
