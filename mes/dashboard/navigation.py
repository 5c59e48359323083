"""The main navigation: only what this person may open, so that no link ends in a refusal."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import reverse

from mes.api.actors import viewer_behind
from mes.choices import Role
from mes.permissions import PERMISSIONS


@dataclass(frozen=True)
class Entry:
    name: str
    title: str
    icon: str
    key: str
    action: str = ""


@dataclass(frozen=True)
class Link:
    title: str
    url: str
    icon: str
    key: str
    current: bool
    counted: bool


ENTRIES = (
    Entry("board", "Board", "layout-kanban", "b"),
    Entry("my-work", "My work", "checklist", "w"),
    Entry("orders", "Orders", "clipboard-list", "o"),
    Entry("builds", "Builds", "stack-2", "u"),
    Entry("fleet", "Fleet", "printer", "f"),
    Entry("lots", "Material", "bottle", "l"),
    Entry("patients", "Patients", "id-badge-2", "i", "mes.find_patient"),
    Entry("audit-trail", "Audit trail", "history", "a", "mes.read_audit_trail"),
)
# Beside the name of the person: the top bar has no room for what is seldom opened.
MENU = (
    Entry("packages", "Packages", "package", "k"),
    Entry("exports", "Exports", "file-zip", "e", "quality.export_record"),
    Entry("gauges", "Gauges", "ruler-measure", "g", "quality.read_gauges"),
    Entry("people", "People", "users", "p", "mes.read_people"),
    Entry("skills", "Training", "school", "t", "mes.read_training"),
    Entry("stations", "Stations", "plug-connected", "", "mes.read_stations"),
    Entry("privacy", "Privacy", "shield-check", "v", "mes.read_privacy"),
    Entry("retention", "Retention", "gavel", "r", "mes.place_hold"),
    Entry("safekeeping", "Safekeeping", "database", "s", "mes.read_safekeeping"),
    Entry("dead-letters", "Deliveries", "inbox", "d", "mes.operate_deliveries"),
    Entry("my-signature", "My signature", "signature", ""),
    Entry("handwritten", "Papers signed by hand", "writing-sign", "", "mes.upload_handwritten"),
    Entry("signers", "Signers", "fingerprint", "", "mes.enrol_signers"),
)


@dataclass(frozen=True)
class Start:
    """Where a role begins when nothing waits for it. Roles that only answer to a device have none."""

    title: str
    name: str
    roles: frozenset[Role]


STARTS = (
    Start("Write an order", "orders", frozenset({Role.PRE, Role.ORD})),
    Start("Receive a lot", "lots", frozenset({Role.MAT})),
    Start("Put devices into a build", "builds", frozenset({Role.BLD})),
    Start("Look after the printers", "fleet", frozenset({Role.OPR, Role.CAL})),
    Start("Calibrate a gauge", "gauges", frozenset({Role.CAL})),
    Start("Pack and label", "packages", frozenset({Role.LBL})),
    Start("Write and approve documents", "documents", frozenset({Role.QAR, Role.QAX, Role.QCM})),
    Start("Read the audit trail", "audit-trail", frozenset({Role.AUD, Role.QAR})),
    Start("Decide about accounts and rights to sign", "security", frozenset({Role.SEC})),
    Start("Look at backups, drills and checks", "safekeeping", frozenset({Role.SYS})),
    Start("Decide about deliveries that were given up", "dead-letters", frozenset({Role.SYS})),
    Start("Look at who opened an identity", "privacy", frozenset({Role.PRV})),
    Start("Look at holds and what may be disposed of", "retention", frozenset({Role.REC})),
)


def starts_for(request: HttpRequest) -> tuple[Start, ...]:
    """Where this person may begin, whatever waits."""
    roles = roles_behind(request)
    return tuple(start for start in STARTS if start.roles & roles)


def roles_behind(request: HttpRequest) -> frozenset[Role]:
    """Roles of the person behind the request; none for a program's account."""
    return viewer_behind(request).roles


def links_for(request: HttpRequest, entries: tuple[Entry, ...] = ENTRIES) -> list[Link]:
    roles = roles_behind(request)
    current = request.resolver_match.view_name if request.resolver_match else ""
    return [
        Link(
            entry.title,
            reverse(entry.name),
            entry.icon,
            entry.key,
            current == entry.name,
            entry.name == "my-work",
        )
        for entry in entries
        if not entry.action or PERMISSIONS[entry.action].roles & roles
    ]
