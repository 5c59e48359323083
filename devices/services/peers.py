"""Who may send images: known by application entity title and address, both; registered and revoked by an administrator."""

from __future__ import annotations

import ipaddress
import re

from devices.choices import PeerStage
from devices.events import PeerRegistered, PeerRevoked
from devices.models import DicomPeer
from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.exceptions import Conflict, InvalidInput, Reason
from mes.locking import locked_row
from mes.permissions import require

TITLE = re.compile(r"[!-\[\]-~](?:[ -\[\]-~]{0,14}[!-\[\]-~])?")
"""PS3.5 6.2, value representation AE: 1 to 16 characters, no backslash, spaces around it mean nothing."""


@unit_of_work
def register_peer(*, title: str, address: str, description: str, actor: Actor) -> DicomPeer:
    """From now on objects are taken from this sender. Raises Conflict where it is known, InvalidInput for what cannot be one."""
    require(actor, "devices.register_peer")
    title, description = title.strip(), description.strip()
    place = _address(address.strip())
    faults = [
        *([] if TITLE.fullmatch(title) else [Reason("This is no application entity title.", "1 to 16 characters of ASCII.")]),
        *([] if place else [Reason("This is no address of one sender.", "Type its IPv4 or IPv6 address.")]),
        *([] if description else [Reason("Say what it is, and where.", "For example: CT 2, radiology.")]),
    ]  # fmt: skip
    if faults:
        raise InvalidInput(faults)
    if DicomPeer.objects.filter(title=title, address=place, stage=PeerStage.ACTIVE).exists():
        raise Conflict("This sender is registered already.", cure="Look at the list again.")
    peer = DicomPeer.objects.create(
        title=title, address=place, description=description, registered_by_id=actor.person_id
    )
    registered = PeerRegistered(peer_id=peer.pk, title=title, address=place, description=description)
    publish(peer, registered, actor=actor)
    return peer


def _address(text: str) -> str:
    """The address in its one form, an IPv4 address mapped into IPv6 as IPv4; "" for what names no single sender."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return ""
    found = getattr(found, "ipv4_mapped", None) or found
    return "" if found.is_multicast or found.is_unspecified else str(found)


@unit_of_work
def revoke_peer(*, peer_id: int, reason: str, actor: Actor) -> DicomPeer:
    """Nothing is taken from this sender any more. What it sent before stays."""
    peer = locked_row(DicomPeer.objects.all(), peer_id)
    if peer is None:
        raise InvalidInput("There is no such sender.", cure="Look at the list again.")
    require(actor, "devices.register_peer", peer)
    if not reason.strip():
        raise InvalidInput("Say why.", cure="Write the reason.", rule="P11-10e")
    if peer.stage == PeerStage.REVOKED:
        raise Conflict("This sender is revoked already.", cure="Look at the list again.")
    peer.stage, peer.revoked_because = PeerStage.REVOKED, reason.strip()
    peer.save(update_fields=["stage", "revoked_because"])
    publish(peer, PeerRevoked(peer_id=peer.pk), actor=actor, reason=reason.strip())
    return peer


def known_peer(title: str, address: str) -> DicomPeer | None:
    """The sender behind a title and an address, if both are its own."""
    place = _address(address)
    return DicomPeer.objects.filter(title=title.strip(), address=place, stage=PeerStage.ACTIVE).first()
