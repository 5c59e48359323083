"""The calls of the role × route matrix: every page, API verb, action, export, file, scan and socket of the URL table.

The rows stand in `access.txt` beside this. `LAMINA_TEST_ACCESS=write pytest tests/architecture/test_access.py` writes what
is true now; the difference is what a reviewer reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Any

from mes.dashboard.actions import ACTIONS
from printing.routing import websocket_urlpatterns
from tests.flows.routes import Route, every_route

FILE = Path(__file__).with_name("access.txt")
SYMBOLS = {
    "+": "may do it, or is shown something of the order",
    "o": "opens, and shows nothing of the order",
    "-": "refused with 403 and the reasons",
    ".": "not there: 404",
}
POSTED_PAGES = {
    "sign-in", "sign-out", "order-identity", "delivery-decide", "patients", "patient-identity",
    "patient-erasure", "emergency-asked", "exports", "export-cancel", "security-act", "handwritten-upload", "handwritten-verify",
    "signature-withdraw", "sign-together",
}  # fmt: skip
LISTS = {
    "orders": "new",
    "builds": "new",
    "lots": "new",
    "audit-review": "trail",
    "retention": "new",
    "documents": "new",
}
EXPORTS = {"board": ("as=csv", "as=list"), "audit-trail": ("as=csv",), "audit-review": ("as=csv",)}
SCANS = (
    "{device}",
    "{serial}",
    "{order}",
    "{build}",
    "{job}",
    "{lot}",
    "{container}",
    "{printer}",
    "{finding}",
)


@dataclass(frozen=True, order=True)
class Call:
    """One row. `template` names the story's objects in braces."""

    template: str
    method: str

    def __str__(self) -> str:
        return f"{self.method} {self.template}"


NAMED = {
    "devices": "device", "orders": "order", "builds": "build", "jobs": "job", "lots": "lot", "printers": "printer",
    "parameters": "parameters", "nonconformances": "finding", "inspections": "inspection", "studies": "study",
    "masters": "master", "materials": "material", "containers": "container", "commands": "command",
    "deliveries": "delivery", "keys": "key", "people": "person", "roles": "grant", "training": "document",
    "emergencies": "emergency", "erasures": "erasure",
    "legal-holds": "hold", "holds": "hold", "disposals": "disposal", "exports": "export", "signatures": "signature",
    "handwritten": "handwritten", "accounts": "account", "address": "key", "passkeys": "key", "sessions": "key",
    "document-revisions": "revision-number", "curricula": "curriculum", "trainings": "key", "signing-enrolments": "enrolment",
}  # fmt: skip
FIXED = {
    "layer": "1",
    "ending": "pdf",
    "transition": "freeze_design",
    "revision": "A",
    "token": "{patient}",
    "step": "letter",
    "name": "verify-build",
}

VERBS = {"orders": "submit", "accounts": "end-sessions"}


def every_call() -> list[Call]:
    found = {call for route in every_route() for call in _calls(route)}
    found |= {Call(f"/{pattern.pattern}", "SOCKET") for pattern in websocket_urlpatterns}
    return sorted(found)


def _calls(route: Route) -> Iterator[Call]:
    if route.name in ("act", "act-preview"):
        yield from _actions(route.name)
        return
    template = _filled(route)
    for method in _methods(route):
        yield Call(template, method)
    for query in EXPORTS.get(route.name, ()):
        yield Call(f"{template}?{query}", "GET")
    if route.name == "find":
        for code in SCANS:
            yield Call(f"{template}?code={code}", "GET")


def _actions(name: str) -> Iterator[Call]:
    for action in ACTIONS.values():
        code = LISTS.get(action.page) or f"{{{NAMED.get(action.page + 's', action.page)}}}"
        path = f"/act/{action.page}/{code}/{action.id}/"
        if name == "act":
            yield Call(path, "GET")
        elif action.content is not None:
            yield Call(f"{path}preview/", "POST")


def _methods(route: Route) -> list[str]:
    if not route.is_api:
        return ["GET", "POST"] if route.name in POSTED_PAGES else ["GET"]
    view: Any = route.callback
    offered = getattr(view, "actions", None) or {
        name: name for name in ("get", "post", "put", "patch", "delete") if hasattr(view.cls, name)
    }
    return [name.upper() for name in offered if name != "head"]


def _filled(route: Route) -> str:
    parts = route.template.split("/")
    kind = next((part for part in parts if part in NAMED), "")
    filled = route.template
    for name in ("code", "pk", "label", "uid", "number"):
        filled = filled.replace(f"{{{name}}}", f"{{{NAMED.get(kind, 'device')}}}")
    for name, value in FIXED.items():
        filled = filled.replace(f"{{{name}}}", value)
    filled = filled.replace("{sha256}", "{bundle}" if kind == "exports" else "{file}")
    filled = filled.replace("{decision}", "review" if kind == "roles" else "retry")
    return filled.replace("{verb}", VERBS.get(kind, "approve-design"))


def read() -> tuple[list[str], dict[str, str]]:
    """The columns, and by row its symbols, one for each column."""
    lines = [line for line in FILE.read_text().splitlines() if line and not line.startswith("#")]
    columns = lines[0].split()
    rows = [line.split(maxsplit=2) for line in lines[1:]]
    return columns, {f"{method} {template}": symbols for symbols, method, template in rows}


def write(columns: list[str], rows: dict[str, str]) -> None:
    """Put rows (by call, its symbols in the order of the columns) in the place of their old ones; those of calls that
    are no more go. Several processes may write at once."""
    with FILE.open("r+") as file:
        flock(file, LOCK_EX)
        old = read()[1]
        head = [
            "# Who may come through which door. Columns in this order; generated, then reviewed: see access.py."
        ]
        head += [f"# {symbol}  {meaning}" for symbol, meaning in SYMBOLS.items()]
        body = [
            f"{(old | rows).get(str(call), '')}  {call}" for call in every_call() if str(call) in old | rows
        ]
        file.seek(0)
        file.truncate()
        file.write("\n".join([*head, " ".join(columns), *body]) + "\n")
