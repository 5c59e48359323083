"""Series: the prescriber decides about all stages of a plan by one act, over one digest; with one of them the decision is gone for all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from devices.choices import DesignStatus
from devices.models import Design, Device, Order
from devices.selectors.series import in_series, is_serial, series_facts, stages_of
from devices.services.designs import approval_content, approve_design
from devices.services.lifecycle import CHANGEABLE, locked_device
from devices.services.orders import locked_order
from devices.services.voiding import SYSTEM, void_design_work
from mes.choices import Meaning
from mes.eventlog.base import Actor
from mes.eventlog.unit import unit_of_work
from mes.exceptions import ContentChanged, InvalidInput, Reason, Refused, TransitionRefused
from mes.permissions import require
from mes.services.signatures import Credentials, Together, content_digest

DECIDED = (DesignStatus.REVIEWED, DesignStatus.APPROVED)
RULE = "G-DES-02"


def series_content(order: Order) -> dict[str, Any]:
    """What the prescriber is shown and approves: every stage, each by the digest of what its own signature covers."""
    every = stages_of(order)
    return {
        "record": "series",
        "order": order.code,
        "patient": order.patient.token,
        "master": str(order.master),
        **(series_facts(every[0]) if every else {}),
        "contents": {
            device.code: content_digest(approval_content(device, device.current_design))
            for device in every
            if device.current_design is not None
        },
    }


@unit_of_work
def approve_series(*, order_id: int, actor: Actor, credentials: Credentials) -> list[Design]:
    """The prescriber named on the order approves every stage of its series at once (DESIGN_APPROVED): the secret is typed once, and
    each signature covers the digest of the whole.

    Raises ContentChanged where the series is no longer the one that was shown (ES-19); what refuses one stage refuses all, and names it.
    """
    order = locked_order(order_id)
    require(actor, "devices.approve_series", order)
    devices = _stages(order)
    if credentials.digest is not None and credentials.digest != content_digest(series_content(order)):
        raise ContentChanged(
            "The series changed after it was shown.", cure="Read it again, then sign.", rule="ES-19"
        )
    together = Together(Meaning.DESIGN_APPROVED, whole=series_facts(devices[0])["series"]["digest"])
    # Each content is taken before the first stage is frozen: what was shown is what every stage is signed over.
    digests = {one.pk: content_digest(approval_content(one, _designed(one))) for one in devices}
    return [
        _approved(device, actor, replace(credentials, digest=digests[device.pk], together=together))
        for device in devices
    ]


def _stages(order: Order) -> list[Device]:
    devices = [locked_device(device.pk) for device in sorted(stages_of(order), key=lambda one: one.pk)]
    if not is_serial(order.master) or not devices:
        raise InvalidInput(
            f"{order.code} has no series.", cure="Approve its designs one by one.", rule="K-06"
        )
    missing = [
        device.code
        for device in devices
        if device.current_design is None or device.current_design.status != DesignStatus.REVIEWED
    ]
    if missing:
        raise TransitionRefused(
            f"Stages of the series await their review: {', '.join(missing)}.",
            cure="A second engineer reviews every stage first.",
            rule=RULE,
        )
    return devices


def _designed(device: Device) -> Design:
    if device.current_design is None:
        raise AssertionError("a reviewed stage has a design")
    return device.current_design


def _approved(device: Device, actor: Actor, credentials: Credentials) -> Design:
    try:
        return approve_design(device_id=device.pk, actor=actor, credentials=credentials)
    except Refused as refusal:
        named = [Reason(f"{device.code}: {why.text}", why.cure, why.rule) for why in refusal.reasons]
        raise type(refusal)(named) from refusal


@unit_of_work
def void_rest_of_series(*, device_id: int) -> list[Device]:
    """Void what was reviewed or approved together with the design of this device that was voided. Parts that are being made stay: their
    approval stands no longer, and every next step of a person is refused."""
    voided = Device.objects.select_related("order", "master").get(pk=device_id)
    if not in_series(voided):
        return []
    found = []
    for key in sorted(one.pk for one in stages_of(voided.order) if one.pk != device_id):
        device = locked_device(key)
        design = device.current_design
        if design is not None and design.status in DECIDED and device.stage in CHANGEABLE:
            reason = f"The design of {voided.code}, a stage of the same series, was voided."
            void_design_work(device, design, actor=SYSTEM, reason=reason)
            found.append(device)
    return found
