"""What people do with images that came in over the network, and with those who send them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from devices.choices import ArrivalStage, PeerStage
from devices.models import Arrival, Device
from devices.selectors.waiting import devices_awaiting_images
from devices.services.arrivals import attach_arrival, discard_arrival, folder_of
from devices.services.held import series_of
from devices.services.peers import register_peer, revoke_peer
from mes.compiled import by_key
from mes.dashboard.actions.base import Action, Doing, Done, Field, why
from mes.eventlog.base import Actor
from mes.exceptions import InvalidInput
from mes.models import Person
from mes.scope import viewer_of, visible

OFFERED = 200
ONLY = "all"


def _waits(arrival: Arrival) -> bool:
    return arrival.stage == ArrivalStage.WAITING


def _devices(_: Arrival, __: Mapping[str, str], actor: Actor) -> list[tuple[str, str]]:
    viewer = viewer_of(by_key(Person, actor.person_id or 0))
    rows = visible(devices_awaiting_images().select_related("order", "master"), viewer)
    return [(row.code, f"{row.code} {row.master.title}, {row.order.code}") for row in rows[:OFFERED]]


def _series(arrival: Arrival, _: Mapping[str, str], __: Actor) -> list[tuple[str, str]]:
    """What cannot be opened is refused on the record, when it is read."""
    try:
        return series_of(folder_of(arrival.quarantine)) or [(ONLY, "Nothing here may be a volume by itself")]
    except InvalidInput:
        return [(ONLY, "Cannot be told")]


def _attach_fields(_: Arrival) -> tuple[Field, ...]:
    return (
        Field("device", "Device", "select", offers=_devices, hint="Devices that wait for images"),
        Field("series", "Series", "select", offers=_series),
    )


def _attach(doing: Doing) -> Done:
    code, series = str(doing.values["device"]), str(doing.values["series"])
    attach_arrival(
        arrival_id=doing.subject.pk,
        device_id=Device.objects.get(pk=int(code[1:])).pk,
        series="" if series == ONLY else series,
        actor=doing.actor,
    )
    return Done("It is being read. Where it is refused for this device, it waits here again.", "device", code)


def _discard(doing: Doing) -> str:
    row = discard_arrival(arrival_id=doing.subject.pk, reason=doing.reason, actor=doing.actor)
    return f"{row.code} is discarded; its files are removed."


def _peer_fields(_: Any) -> tuple[Field, ...]:
    return (
        Field("title", "Application entity title", maximum=16, hint="As it calls itself"),
        Field("address", "Address", maximum=45, hint="Its IPv4 or IPv6 address; both have to be right"),
        Field("description", "What it is, and where", maximum=80),
    )


def _register(doing: Doing) -> str:
    typed = {name: str(doing.values[name]) for name in ("title", "address", "description")}
    return f"{register_peer(**typed, actor=doing.actor).title} may send images from now on."


def _revoke(doing: Doing) -> str:
    peer = revoke_peer(peer_id=doing.subject.pk, reason=doing.reason, actor=doing.actor)
    return f"Nothing is taken from {peer.title} any more."


ARRIVAL_ACTIONS = (
    Action(
        "attach-arrival", "arrival", "Attach to a device", "Say which device these images are for", "devices.receive_study",
        "arrow-right", _waits, _attach, fields=_attach_fields, main=True,
        help="They are matched with the patient of its order by two identifiers, and de-identified, like every upload.",
    ),
    Action(
        "discard-arrival", "arrival", "Discard", "Discard these images", "devices.discard_arrival", "trash-x",
        _waits, _discard, fields=lambda _: (why(),), danger=True,
    ),
    Action(
        "register-peer", "peers", "Register a sender", "Register a sender of images", "devices.register_peer", "plus",
        lambda _: True, _register, fields=_peer_fields, main=True,
    ),
    Action(
        "revoke-peer", "peer", "Revoke", "Take nothing from this sender any more", "devices.register_peer", "ban",
        lambda peer: peer.stage == PeerStage.ACTIVE, _revoke, fields=lambda _: (why(),), danger=True,
    ),
)  # fmt: skip
