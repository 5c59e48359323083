"""The calls of the role × route matrix: every page, API verb, action, export, file, scan and socket of the URL table.

The rows stand in `access.txt` beside this. `LAMINA_TEST_ACCESS=write pytest tests/architecture/test_access.py` writes what
is true now; the difference is what a reviewer reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from inspect import getsource, unwrap
from pathlib import Path
from typing import Any

from devices.services.signing import SIGNED_VERBS
from mes.dashboard.actions import ACTIONS
from mes.dashboard.find import KINDS
from mes.dashboard.letters import DECISIONS
from mes.dashboard.security import VERBS
from mes.dashboard.segmenting import VERBS as STEPS
from mes.dashboard.together import BATCHES
from mes.permissions import PERMISSIONS
from printing.routing import websocket_urlpatterns
from tests.flows.routes import Route, every_route

FILE = Path(__file__).with_name("access.txt")
SYMBOLS = {
    "+": "may do it, or is shown something of the order",
    "o": "opens, and shows nothing of the order",
    "-": "refused with 403 and the reasons",
    ".": "not there: 404",
}
LISTS = {
    "gauges": "new",
    "peers": "new",
    "orders": "new",
    "builds": "new",
    "lots": "new",
    "audit-review": "trail",
    "retention": "new",
    "documents": "new",
    "people": "new",
}
EXPORTS = {"board": ("as=csv", "as=list"), "audit-trail": ("as=csv",), "audit-review": ("as=csv",)}
SUBJECTS = {"end-emergency": "lasting"}
"""Actions that need another object of the story than their page's own."""
SCANS = (*sorted(name for _, name in KINDS.values()), "serial", "container", "job", "finding")
"""What a scanner may read: every kind of code, serial numbers and labels."""


@dataclass(frozen=True, order=True)
class Call:
    """One row. `template` names the story's objects in braces.

    method: as in HTTP; SOCKET; or MAY, for an action of `mes.permissions` whichever door asks for it.
    """

    template: str
    method: str

    def __str__(self) -> str:
        return f"{self.method} {self.template}"


NAMED = {
    "devices": "device", "orders": "order", "builds": "build", "jobs": "job", "lots": "lot", "printers": "printer",
    "parameters": "parameters", "nonconformances": "finding", "inspections": "inspection", "studies": "study",
    "masters": "master", "materials": "material", "containers": "container", "commands": "command",
    "deliveries": "delivery", "keys": "key", "people": "person", "roles": "grant", "training": "document",
    "packages": "package", "emergencies": "emergency", "erasures": "erasure", "gauges": "gauge", "stations": "station",
    "legal-holds": "hold", "holds": "hold", "disposals": "disposal", "exports": "export", "signatures": "signature",
    "handwritten": "handwritten", "accounts": "account", "address": "contact", "passkeys": "passkey", "sessions": "session",
    "document-revisions": "revision-number", "curricula": "curriculum", "trainings": "training", "signing-enrolments": "enrolment",
    "bindings": "identity", "arrivals": "arrival", "peers": "peer", "drafts": "draft", "uploads": "upload",
    "kits": "kit",
}  # fmt: skip
FIXED = {
    "layer": "1",
    "transition": "freeze_design",
    "revision": "A",
    "plane": "axial",
    "index": "0",
    "token": "{patient}",
}
FILES = {"exports": "{bundle}", "builds": "{build_file}", "lots": "{certificate}", "gauges": "{gauge_file}"}
"""Each page's own file. Those of devices are `{file}`."""
SLICED = {"device-slice": "{volume}", "device-mask": "{mask}"}
"""What slices are cut from."""
VARIANTS: dict[str, dict[str, tuple[str, ...]]] = {
    "delivery-decide": {"decision": tuple(DECISIONS)},
    "security-act": {"verb": tuple(VERBS)},
    "segment-act": {"verb": tuple(STEPS)},
    "signers-step": {"step": ("prove", "confirm", "close", "letter")},
    "sign-together": {"name": tuple(BATCHES)},
    "api-sign-together": {"name": tuple(BATCHES)},
    "api-device-to-sign": {"verb": tuple(SIGNED_VERBS)},
    "api-order-to-sign": {"verb": ("submit", "approve-ORD", "approve-RA")},
    "api-device-record": {"ending": ("pdf", "json")},
}
"""Routes whose address says what is done: a row for each thing."""


def every_call() -> list[Call]:
    found = {call for route in every_route() for call in _calls(route)}
    found |= {Call(action, "MAY") for action in PERMISSIONS}
    found |= {Call(f"/{pattern.pattern}", "SOCKET") for pattern in websocket_urlpatterns}
    return sorted(found)


def _calls(route: Route) -> Iterator[Call]:
    if route.name in ("act", "act-preview"):
        yield from _actions(route.name)
        return
    for template in _filled(route):
        for method in _methods(route):
            yield Call(template, method)
        for query in EXPORTS.get(route.name, ()):
            yield Call(f"{template}?{query}", "GET")
        if route.name == "find":
            for code in SCANS:
                yield Call(f"{template}?code={{{code}}}", "GET")


def _actions(name: str) -> Iterator[Call]:
    for action in ACTIONS.values():
        subject = SUBJECTS.get(action.id) or NAMED.get(action.page + "s", action.page)
        code = LISTS.get(action.page) or f"{{{subject}}}"
        path = f"/act/{action.page}/{code}/{action.id}/"
        if name == "act":
            yield Call(path, "GET")
            yield Call(path, "POST")
        elif action.content is not None:
            yield Call(f"{path}preview/", "POST")


def _methods(route: Route) -> list[str]:
    """What a view answers. Of a page its source tells: its decorators, and whether it looks at how it was asked."""
    view: Any = route.callback
    if hasattr(view, "cls"):
        offered = getattr(view, "actions", None) or [
            name for name in ("get", "post", "put", "patch", "delete") if hasattr(view.cls, name)
        ]
        return [name.upper() for name in offered if name != "head"]
    source = getsource(unwrap(view))
    if "@require_POST" in source:
        return ["POST"]
    asks = "@require_GET" not in source and ("request.method" in source or "request.POST" in source)
    return ["GET", "POST"] if asks else ["GET"]


def _filled(route: Route) -> Iterator[str]:
    """The route's addresses, with the story's objects in braces."""
    parts = route.template.split("/")
    kind = next((part for part in parts if part in NAMED), "")
    filled = route.template
    for name in ("code", "pk", "label", "uid", "number"):
        filled = filled.replace(f"{{{name}}}", f"{{{NAMED.get(kind, 'device')}}}")
    filled = filled.replace("{sha256}", SLICED.get(route.name, FILES.get(kind, "{file}")))
    for name, value in FIXED.items():
        filled = filled.replace(f"{{{name}}}", value)
    for name, values in VARIANTS.get(route.name, {}).items():
        yield from (filled.replace(f"{{{name}}}", value) for value in values)
    if route.name not in VARIANTS:
        yield filled


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
