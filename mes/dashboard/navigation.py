"""The main navigation: only what this person may open, so that no link ends in a refusal."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import reverse

from mes.api.actors import viewer_behind
from mes.choices import Role
from mes.permissions import opens


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
    Entry("kits", "Kits", "layers-subtract", ""),
    Entry("packages", "Packages", "package", "k"),
    Entry("arrivals", "Images received", "inbox", "", "devices.read_arrivals"),
    Entry("decisions", "Decisions on designs", "hourglass", "", "devices.read_latency"),
    Entry("peers", "Senders of images", "plug-connected", "", "devices.read_peers"),
    Entry("exports", "Exports", "file-zip", "e", "quality.export_record"),
    Entry("gauges", "Gauges", "ruler-measure", "g", "quality.read_gauges"),
    Entry("people", "People", "users", "p", "mes.read_people"),
    Entry("skills", "Training", "school", "t", "mes.read_training"),
    Entry("stations", "Stations", "plug-connected", "", "mes.read_stations"),
    Entry("privacy", "Privacy", "shield-check", "v", "mes.read_privacy"),
    Entry("retention", "Retention", "gavel", "r", "mes.read_retention"),
    Entry("safekeeping", "Safekeeping", "database", "s", "mes.read_safekeeping"),
    Entry("dead-letters", "Deliveries", "inbox", "d", "mes.operate_deliveries"),
    Entry("my-signature", "My signature", "signature", ""),
    Entry("handwritten", "Papers signed by hand", "writing-sign", "", "mes.upload_handwritten"),
    Entry("signers", "Signers", "fingerprint", "", "mes.enrol_signers"),
)


@dataclass(frozen=True)
class Start:
    """Where somebody begins when nothing waits. Roles that only answer to a device have none."""

    title: str
    name: str
    action: str


STARTS = (
    Start("Write an order", "orders", "devices.create_order"),
    Start("See which images came in", "arrivals", "devices.receive_study"),
    Start("Say who may send images", "peers", "devices.register_peer"),
    Start("Receive a lot", "lots", "printing.receive_lot"),
    Start("Put devices into a build", "builds", "printing.create_build"),
    Start("Look after the printers", "fleet", "printing.operate_printer"),
    Start("Look after the gauges", "gauges", "quality.calibrate_gauge"),
    Start("Pack and label", "packages", "quality.issue_labels"),
    Start("Look after accounts and rights to sign", "security", "mes.guard_accounts"),
    Start("Say who signs", "signers", "mes.enrol_signers"),
    Start("Review the audit trail", "audit-review", "mes.review_audit_trail"),
    Start("See what was held and what may go", "retention", "mes.propose_disposal"),
    Start("See who opened an identity", "privacy", "mes.read_privacy"),
    Start("See backups, drills and checks", "safekeeping", "mes.confirm_drill"),
    Start("See what was given up", "dead-letters", "mes.operate_deliveries"),
    Start("Write a controlled document", "documents", "mes.draft_document"),
)


SECURITY = ("mes.guard_accounts", "mes.confirm_identity", "mes.review_credentials")
"""Whoever may do one of these looks at accounts."""


def security_verbs(request: HttpRequest) -> dict[str, bool]:
    """Which of them the page of accounts offers to the person behind the request, by name without the package."""
    viewer = viewer_behind(request)
    return {action.partition(".")[2]: opens(action, viewer) for action in SECURITY}


def starts_for(request: HttpRequest) -> tuple[Start, ...]:
    """Where this person may begin, whatever waits."""
    viewer = viewer_behind(request)
    return tuple(start for start in STARTS if opens(start.action, viewer))


def roles_behind(request: HttpRequest) -> frozenset[Role]:
    """Roles of the person behind the request; none for a program's account."""
    return viewer_behind(request).roles


def links_for(request: HttpRequest, entries: tuple[Entry, ...] = ENTRIES) -> list[Link]:
    viewer = viewer_behind(request)
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
        if not entry.action or opens(entry.action, viewer)
    ]
