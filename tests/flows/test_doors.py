"""Who may come in, and what may be sent: every route is closed by default, and bad input is a 4xx with a reason."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.handlers.wsgi import WSGIRequest
from django.core.management import call_command
from django.http import QueryDict
from django.test import Client as Browser
from rest_framework.test import APIClient

from devices.models import Design, Order, Study
from mes.api.parsers import LARGEST_BYTES, ODD_NUMBER, ODD_TEXT, TOO_DEEP
from mes.choices import Role
from mes.models import Account, EventRecord
from mes.permissions import ADMINISTRATION
from printing.models import MaterialLot, ParameterSet
from quality.models import Inspection
from tests.devices.makers import (
    CATALOGUE,
    PASSWORD,
    PEOPLE,
    Staff,
    Who,
    make_device,
    make_material,
    make_person,
    make_planned,
)
from tests.flows.routes import Route, every_route
from tests.printing.makers import in_days
from tests.quality.makers import make_gauge
from tests.scenes import Scene, told

pytestmark = pytest.mark.django_db
PUBLIC = {
    "health",
    "sign-in",
    "sign-in-second",
    "passkey-challenge",
    "provider-start",
    "provider-callback",
    "lost-secret",
    "reset",
}
DEEP = b"[" * 5000 + b"]" * 5000
BODIES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "application/json"),
    "a list": (b"[]", "application/json"),
    "a word": (b'"x"', "application/json"),
    "null": (b"null", "application/json"),
    "half an object": (b'{"username": ', "application/json"),
    "deep": (DEEP, "application/json"),
    "deep inside": (b'{"values": ' + DEEP + b"}", "application/json"),
    "NUL": (b'{"username": "a\\u0000", "reason": "\\u0000", "code": "\\u0000"}', "application/json"),
    "half a character": (b'{"username": "\\ud800", "reason": "\\ud800"}', "application/json"),
    "no number": (b'{"days": NaN, "quantity": 1e999}', "application/json"),
    "no UTF-8": (b'{"reason": "\xff\xfe"}', "application/json"),
    "long number": (b'{"prescriber_id": ' + b"9" * 5000 + b"}", "application/json"),
    "text": (b"reason=x", "text/plain"),
    "form": (b"reason=x", "application/x-www-form-urlencoded"),
    "no boundary": (b"reason=x", "multipart/form-data"),
    "cut multipart": (b"--x\r\nContent-Disp", "multipart/form-data; boundary=x"),
    "XML": (b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>", "application/xml"),
}
NO_OBJECTS = ("nothing", "a list", "a word", "null")
"""Bodies that are read, and hold no request. The others are not even read: the same parsers refuse them at every door."""
JSON = {"Accept": "application/json"}
KINDS = ["application/vnd.oai.openapi+json", "application/vnd.oai.openapi"]
NO_SCANS = {
    "empty": b"",
    "half a word": b"solid",
    "half a header": b"ply\nformat ascii 1.0\n",
    "no triangles": b"\0" * 84,
    "cut": b"\0" * 80 + b"\xff\xff\xff\x7f" + b"\0" * 60,
    "another type": b"%PDF-1.7",
}
NO_IMAGES = {
    "half a zip": b"PK\x03\x04" + b"\0" * 40,
    "half a DICOM": b"\0" * 128 + b"DICM" + b"\x02\x00",
    "half a NIfTI": b"\x5c\x01\x00\x00" + b"\0" * 100,
    "half a gzip": b"\x1f\x8b\x08\0",
    "another type": b"%PDF-1.7",
}
PAGES = (
    "page=99999999999999999999999",
    "page=-1",
    "page=0",
    "page=x",
    "page=%00",
    "page=" + "9" * 5000,
)
"""One paginator reads them for all pages, and another one for the API."""
QUERIES = (
    *PAGES,
    "page_size=99999999999999999999999",
    "page_size=%00",
    "q=%00",
    "q=" + "(" * 3000,
    "stage=%00&state=%00&status=%00&device=%00&held=%00&need_by=%00",
    "device=99999999999999999999999&order=99999999999999999999999&printer=99999999999999999999999&lot=99999999999999999999999",
    "need_by=0000-00-00&phase=../../etc/passwd&actor=%00&since=%00&until=9999999-01-01&after=%00",
)

NUL = "anything=%00"


INSIDERS = Scene(
    "insiders",
    PEOPLE.make,
    story=lambda: make_person(*(set(Role) - ADMINISTRATION)).username,
    upon=CATALOGUE,
    apart=True,
)


def everybody() -> APIClient:
    """One person with every role but administration, which is never the same person: no permission hides a fault."""
    client = APIClient()
    client.force_login(Account.objects.get(username=told("insiders")))
    return client


@pytest.fixture(scope="module")
def routes() -> list[Route]:
    return every_route()


def open_to(client: APIClient, routes: list[Route], method: str) -> list[Route]:
    """The routes that look into a request of a method. The others answer that they take no such method, or that there is
    no such thing, whatever is sent."""
    answers = {route: client.generic(method, route.address, headers=JSON).status_code for route in routes}
    return [route for route, status in answers.items() if status not in (404, 405)]


def test_anonymous_is_kept_out_of_every_route_but_the_public_ones(routes: list[Route]) -> None:
    assert {route.name for route in routes} >= PUBLIC
    assert len(routes) > 80
    for route in routes:
        if route.name in PUBLIC:
            continue
        for method in ("get", "post", "put", "delete"):
            answer = getattr(Browser(), method)(route.address, headers=JSON)
            if route.is_api:
                assert answer.status_code in (401, 403), route
                assert answer.json()["reasons"][0]["text"]
            else:
                if method in ("put", "delete"):
                    assert answer.status_code == 405, route
                    continue
                assert answer.status_code == 302, route
                assert answer["Location"].startswith("/sign-in/?next="), route


def test_the_schema_is_made_without_warnings_and_knows_every_route(
    routes: list[Route], tmp_path: Path
) -> None:
    file = tmp_path / "schema.json"
    call_command("spectacular", validate=True, fail_on_warn=True, format="openapi-json", file=str(file))
    schema = json.loads(file.read_text())
    known = set(schema["paths"])
    api = {route.template.replace("{pk}", "{id}") for route in routes if route.is_api}
    assert api - known == {"/api/schema/"}
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            assert {"cookieAuth": []} in operation["security"], (path, method)
            if not path.startswith("/api/keys/"):
                assert {"key": []} in operation["security"], (path, method)
    served = [everybody().get("/api/schema/", headers={"Accept": kind}) for kind in (KINDS * 2)]
    assert [answer.status_code for answer in served] == [200] * 4
    assert [answer.content for answer in served[:2]] == [answer.content for answer in served[2:]]
    assert [answer["Content-Type"].partition(";")[0] for answer in served[:2]] == KINDS
    assert json.loads(served[0].content) == schema
    assert "openapi: 3" in served[1].content.decode()


def test_a_body_that_is_no_request_is_refused_everywhere(routes: list[Route]) -> None:
    """Everything at one door for each way of reading; at the others what holds no request, and one of the rest in turn."""
    client = everybody()
    events = EventRecord.objects.count()
    doors = open_to(client, [route for route in routes if route.is_api], "POST")
    assert len(doors) > 20
    unread = sorted(set(BODIES) - set(NO_OBJECTS))
    asked: set[tuple[type, ...]] = set()
    for number, route in enumerate(doors):
        parsers = tuple(route.callback.initkwargs.get("parser_classes", route.callback.cls.parser_classes))
        names = BODIES if parsers not in asked else (*NO_OBJECTS, unread[number % len(unread)])
        asked.add(parsers)
        for name in names:
            data, content_type = BODIES[name]
            answer = client.generic(
                "POST", route.address, cast(Any, data), content_type=content_type, headers=JSON
            )
            assert 400 <= answer.status_code < 500, (name, route, answer.content)
            assert answer.json()["reasons"][0]["text"], (name, route)
    assert EventRecord.objects.count() == events


class Read(QueryDict):
    """The parameters of a request, which notes those that somebody looked at. Every page looks for a NUL in all `lists`,
    and refuses it before anything else happens: that is not noted."""

    looked: set[str]

    def __init__(self, request: WSGIRequest, looked: set[str]) -> None:
        self.looked, self.text = set(), request.META["QUERY_STRING"]
        super().__init__(self.text)
        self.looked = looked

    def __getitem__(self, key: str) -> Any:
        self.looked.add(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self.looked.add(str(key))
        return super().__contains__(key)

    def getlist(self, key: str, default: Any = None) -> Any:
        self.looked.add(key)
        return super().getlist(key, default)

    def __iter__(self) -> Any:
        self.looked.update(super().__iter__())
        return super().__iter__()

    def copy(self) -> Any:
        """A plain one: whoever copies all of them has looked at all."""
        self.looked.update(super().__iter__())
        return QueryDict(self.text, mutable=True)

    def urlencode(self, safe: str | None = None) -> str:
        self.looked.update(super().__iter__())
        return super().urlencode(safe)


def names_in(query: str) -> set[str]:
    return {part.partition("=")[0] for part in query.split("&")}


def all_at_once() -> str:
    """Every parameter with an absurd value that any page lets in: with a NUL nothing else is looked at."""
    parts = [part for query in QUERIES for part in query.split("&")]
    names = sorted({name for query in QUERIES for name in names_in(query)})
    return "&".join([*(f"{name}=x" for name in names), *(part for part in parts if "%00" not in part)])


def test_absurd_questions_are_answered(routes: list[Route], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every page is asked all of them at once, and then each one with a parameter that it looked at; of the numbers of pages
    one, in turn."""
    looked: defaultdict[str, set[str]] = defaultdict(set)
    monkeypatch.setattr(WSGIRequest, "GET", property(lambda request: Read(request, looked[request.path])))
    client, asked = everybody(), Counter[str]()
    doors = open_to(client, routes, "GET")
    assert len(doors) > 60
    for number, route in enumerate(doors):
        others = {page for page in PAGES if page != PAGES[number % len(PAGES)]}
        waiting, left = [all_at_once(), NUL], [query for query in QUERIES if query not in others]
        while waiting:
            query = waiting.pop(0)
            assert client.get(f"{route.address}?{query}").status_code < 500, (query, route)
            asked.update(names_in(query) & looked[route.address])
            found = [query for query in left if names_in(query) & looked[route.address]]
            waiting, left = waiting + found, [query for query in left if query not in found]
    # Whoever looks at a parameter was asked with its values.
    assert asked["page"] > 20
    assert min(asked[name] for name in ("q", "stage", "device", "need_by", "since", "after")) > 0


@pytest.mark.parametrize(
    "code", ["..%2f..%2fetc%2fpasswd", "D0000001%00", "D٠٠٠٠٠٠١", "D" + "9" * 400, "D-1"]
)
def test_codes_that_are_none_name_nothing(code: str) -> None:
    client = everybody()
    for path in ("devices/{}/", "orders/{}/", "devices/{}/scans/", "devices/{}/record.pdf", "lots/{}/trace/"):
        assert client.get("/api/" + path.format(code)).status_code == 404


def test_what_the_database_could_not_hold_is_named() -> None:
    make_material()
    client = everybody()
    body = {"name": "x", "printer_kind": "y", "material": "resin-guide-01"}
    deep = "[" * 40 + "]" * 40
    for values in (
        f'{{"a": {deep}}}',
        '{"a": "\\u0000"}',
        '{"a": "\\ud800"}',
        '{"a": 1e999}',
        '{"\\u0000": 1}',
    ):
        text = json.dumps(body)[:-1] + f', "values": {values}}}'
        answer = client.generic("POST", "/api/parameters/", text, content_type="application/json")
        assert answer.status_code == 400
        field, _, fault = answer.json()["reasons"][0]["text"].partition(": ")
        assert field.startswith("values")
        assert fault in (TOO_DEEP, ODD_TEXT, ODD_NUMBER)
    form = body | {"values[a]": "\0"}
    assert client.post("/api/parameters/", form, format="multipart").status_code == 400
    assert not ParameterSet.objects.exists()


def test_a_body_that_is_too_large_is_not_read() -> None:
    data = b'"' + b"x" * LARGEST_BYTES + b'"'
    answer = everybody().generic("POST", "/api/orders/", cast(Any, data), content_type="application/json")
    assert answer.status_code == 413
    assert "5 MiB" in answer.json()["reasons"][0]["text"]


@pytest.mark.parametrize(
    "certificate", ["[" * 5000 + "]" * 5000, '[{"characteristic": "\\u0000", "value": 1}]', "{", "7", "[7]"]
)
def test_a_certificate_in_a_form_is_looked_at_as_closely(certificate: str) -> None:
    make_material()
    lot = {
        "material": "resin-guide-01",
        "supplier": "x",
        "supplier_lot": "y",
        "quantity": "1",
        "unit": "ml",
        "expires_on": in_days(200).isoformat(),
    }
    answer = everybody().post("/api/lots/", lot | {"certificate": certificate}, format="multipart")
    assert answer.status_code in (400, 422)
    assert answer.json()["reasons"][0]["text"]
    assert not MaterialLot.objects.exists()


def test_an_upload_needs_a_form_and_something_in_it() -> None:
    device, client = make_planned(), everybody()
    for path, name in (
        (f"/api/devices/{device.code}/studies/", "files"),
        (f"/api/devices/{device.code}/scans/", "scan"),
    ):
        assert client.post(path, {}, format="json").status_code == 415
        for form in ({}, {name: ""}, {name: SimpleUploadedFile("../../etc/passwd", b"")}):
            answer = client.post(path, form, format="multipart")
            assert 400 <= answer.status_code < 500
            assert answer.json()["reasons"][0]["text"]
    assert not Study.objects.exists()
    assert not Inspection.objects.exists()


def test_a_scan_that_is_none_is_refused_with_its_reason(drain: Callable[[], int]) -> None:
    """One after the other for the same device, as somebody would try again."""
    device, gauge, client = make_device("awaiting_inspection"), make_gauge(), everybody()
    path = f"/api/devices/{device.code}/scans/"
    for name, data in NO_SCANS.items():
        before = Inspection.objects.count()
        scan = SimpleUploadedFile("../../../tmp/scan.stl", data)
        answer = client.post(path, {"scan": scan, "gauge": gauge.code}, format="multipart")
        if answer.status_code == 202:
            drain()
            measured = client.get(f"/api/inspections/{answer.json()['id']}/").json()["measurement"]
            assert (measured["outcome"], measured["passed"]) == ("refused", False), name
            assert measured["reasons"], name
        else:
            assert answer.status_code == 422, name
            assert answer.json()["reasons"][0]["text"], name
            assert Inspection.objects.count() == before, name


def test_images_that_are_none_are_refused_with_their_findings(drain: Callable[[], int]) -> None:
    """Likewise."""
    device, client = make_planned(), everybody()
    for name, data in NO_IMAGES.items():
        sent = {"files": SimpleUploadedFile("../../../etc/passwd", data)}
        answer = client.post(f"/api/devices/{device.code}/studies/", sent, format="multipart")
        assert answer.status_code == 202, name
        drain()
        study = client.get(f"/api/studies/{answer.json()['id']}/").json()
        assert study["status"] == "refused", name
        assert study["findings"], name
        detail = client.get(f"/api/devices/{device.code}/").json()
        assert (detail["phase"], detail["segmentation"]) == ("imaging", None), name


def test_a_name_with_a_nul_cannot_sign_in_or_be_looked_for() -> None:
    answer = Browser().post("/sign-in/", {"username": "a\0", "password": "b"})
    assert answer.status_code == 422
    assert "NUL" in answer.content.decode()


def test_more_files_than_a_request_may_hold(settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 3
    device = make_planned()
    files = [SimpleUploadedFile(f"{number}", b"x") for number in range(4)]
    path = f"/api/devices/{device.code}/studies/"
    answer = everybody().post(path, {"files": files}, format="multipart")
    assert answer.status_code == 400
    assert "too many files" in answer.json()["reasons"][0]["text"]


@pytest.mark.requirement("ES-12")
def test_a_signature_is_never_somebody_elses() -> None:
    """Signed in as one person, signing with another's user id and password."""
    staff = Staff()
    coordinator: Who = staff[Role.ORD]
    client = APIClient()
    client.force_login(Account.objects.get(username=coordinator.username))
    from_other = {"username": staff[Role.PRE].username, "password": PASSWORD}
    device = make_planned(staff)
    answer = client.post(f"/api/devices/{device.code}/approve-design/", from_other)
    assert answer.status_code == 403
    assert not Design.objects.exists()
    assert Order.objects.count() == 1
