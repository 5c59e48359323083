"""One patient goes through the whole story over HTTP alone, with what is refused on the way; then everything that the story left anywhere is searched for that patient
(K-13, EV-08). The vault alone may know, and it is searched too: there the values must be sealed."""

from __future__ import annotations

import io
import logging
import re
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pydicom
import pytest
import redis
from django.conf import settings
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.handlers.base import BaseHandler
from django.db import connection
from django.http import HttpRequest, HttpResponseBase
from django.test import Client as Browser
from django.urls import Resolver404, resolve
from django.utils import timezone

from mes.celery import send_delivery
from mes.choices import Role
from mes.embedded import roles
from mes.eventlog import delivery, relay
from mes.logs import Discreet
from mes.models import Account, PatientIdentity
from mes.services import patients
from mes.services.patients import Identity
from tests.devices.makers import Who, make_person, make_upload
from tests.flows import story
from tests.flows.canary import CLOCK_S, Canary, Listener, Search
from tests.flows.story import Told
from tests.printing.conftest import Running
from tests.servers import Cluster

pytestmark = [pytest.mark.requirement("K-13"), pytest.mark.requirement("EV-08")]
CANARY = Canary()
IDENTITY = Identity(CANARY.patient_id, CANARY.family_name, CANARY.given_name, CANARY.birth_date)
LINK = re.compile(r'(?:href|hx-get|src|action)="(/[^"#]*)"')
NOT_FOLLOWED = ("/static/", "/sign-out/", "/deliveries/")
FOLLOWED = 6
"""How many addresses of one route are followed for each person: the rest is more of the same."""
ADMINISTRATION = {Role.SEC, Role.SYS}


class Web:
    """Every request and answer: addresses, headers, bodies; what the vault's own page shows is left out."""

    def __init__(self, search: Search) -> None:
        self.search, self.count, self.shown = search, 0, 0

    def heard(self, request: HttpRequest, answer: HttpResponseBase) -> None:
        self.count += 1
        self.search.look("address", request.get_full_path())
        self.search.look(f"header: {request.path}", str(dict(answer.items())) + answer.reason_phrase)
        self.search.look(f"cookie: {request.path}", str(answer.cookies))
        content = getattr(answer, "content", b"")
        if request.method == "POST" and request.path.endswith("/identity/") and answer.status_code == 200:
            self.shown += 1
            assert "no-store" in answer["Cache-Control"]
            assert CANARY.family_name in content.decode()
            return
        self.search.look(f"page: {request.method} {request.path}", content)


@pytest.fixture
def search() -> Search:
    return Search(CANARY)


@pytest.fixture
def web(search: Search, monkeypatch: pytest.MonkeyPatch) -> Web:
    found, answered = Web(search), BaseHandler.get_response

    def recorded(self: BaseHandler, request: HttpRequest) -> Any:
        answer = answered(self, request)
        found.heard(request, answer)
        return answer

    monkeypatch.setattr(BaseHandler, "get_response", recorded)
    return found


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that is logged, down to DEBUG, in the form in which every process logs."""
    written = io.StringIO()
    handler, root = logging.StreamHandler(written), logging.getLogger()
    handler.setFormatter(Discreet("{asctime} {levelname} {name} {message}", style="{"))
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.setLevel(before)
    root.removeHandler(handler)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Temporary files lie where nothing else does."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.fixture
def places(tmp_path: Path, settings: Any) -> dict[str, Path]:
    """The artefacts, the quarantine and the cache of this story alone."""
    found = {name: tmp_path / name for name in ("artefacts", "quarantine", "cache")}
    for name, folder in found.items():
        folder.mkdir(mode=0o700)
        setattr(settings, f"{name.upper()}_DIR", folder)
    settings.FILE_UPLOAD_TEMP_DIR = str(found["quarantine"])
    return found


@pytest.fixture
def drain_by_celery(committed_db: None) -> Callable[[], int]:
    """As the relay does: every queued delivery is really sent to the broker; then it is done here."""
    sent: list[tuple[int, str]] = []

    def send(queue: str, key: int, token: str) -> None:
        send_delivery(queue, key, token)
        sent.append((key, token))

    def deliver_all() -> int:
        made = 0
        while True:
            sent.clear()
            moved = relay.relay_once(send)
            for key, token in list(sent):
                delivery.run_queued(key, token)
            if not moved and not sent:
                return made
            made += moved

    return deliver_all


def upload(folder: Path) -> list[SimpleUploadedFile]:
    """The patient's images as a scanner that knows too much would send them, under names that say it all."""
    born = date.fromisoformat(CANARY.birth_date)
    made = make_upload(
        folder,
        patient_id=CANARY.patient_id,
        family_name=CANARY.family_name,
        given_name=CANARY.given_name,
        birth_date=born,
        acquired_on=timezone.localdate() - timedelta(days=3),
    )
    street, accession, doctor, private, comment, name, former = CANARY.others
    files = []
    for number, path in enumerate(sorted(made.iterdir())):
        image = pydicom.dcmread(path)
        image.PatientAddress, image.AccessionNumber, image.ReferringPhysicianName = street, accession, doctor
        image.PatientComments, image.OtherPatientNames, image.OtherPatientIDs = (
            comment,
            former,
            CANARY.patient_id,
        )
        image.StudyDescription = image.SeriesDescription = image.ProtocolName = (
            f"{CANARY.family_name} {comment}"
        )
        image.private_block(0x0029, "LAMINA TEST", create=True).add_new(1, "LO", private)
        written = io.BytesIO()
        image.save_as(written)
        files.append(SimpleUploadedFile(f"{name}_{CANARY.family_name}^{number}.dcm", written.getvalue()))
    return files


def send_images(told: Told, device: str) -> None:
    sent = {"files": upload(told.folder / f"series-{device}")}
    assert told[Role.IMG].send(f"devices/{device}/studies/", sent)["status"] == "received"
    told.drain()


def browser(who: Who) -> Browser:
    client = Browser(raise_request_exception=False)
    client.force_login(Account.objects.get(username=who.username))
    return client


def tell(told: Told, fleet: Running, machines: Path, search: Search) -> None:
    """The whole story, over the API."""
    story.define(told)
    story.register(told)
    told.device = story.order_device(told, "cranial_guide_training")
    send_images(told, told.device)
    assert told[Role.IMG].get(f"devices/{told.device}/")["study"]["status"] == "accepted"
    story.approve_bone(told)
    story.freeze_design(told)
    story.slice_build(told)
    with fleet(story.PATIENT):
        story.equip(told)
        story.print_build(told)
        search.folder("machine", machines)
    story.finish(told)
    story.inspect(told)
    story.release(told)
    story.read_record(told)


def look_and_refuse(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pages of the vault, and everything that goes wrong with a name in hand."""
    coordinator, operator = browser(told[Role.ORD].who), browser(told[Role.OPR].who)
    path = f"/patients/{told.patient}/identity/"
    found = coordinator.post("/patients/", {"identifier": CANARY.patient_id})
    assert found["Location"] == f"/patients/{told.patient}/"
    coordinator.post(path, {"reason": "The clinic called"})
    assert operator.post(path, {"reason": "curious"}).status_code == 403
    operator.post("/emergency/", {"about": told.patient, "reason": "The label of the device is torn"})
    operator.post(path, {"reason": "read the label"})
    known = {
        name: getattr(IDENTITY, name) for name in ("patient_id", "family_name", "given_name", "birth_date")
    }
    for wrong, status in (
        ({"family_name": f"{CANARY.family_name}-Other"}, 409),
        ({"birth_date": "1931-03-08"}, 409),
        ({"birth_date": f"{CANARY.birth_date} {CANARY.family_name}"}, 400),
        ({"birth_date": "2131-03-07"}, 422),
        ({"given_name": f"{CANARY.given_name}\x07"}, 400),
        ({"family_name": CANARY.family_name * 30}, 400),
    ):
        told[Role.ORD].post("patients/", known | wrong, status)

    def crash(identity: Identity) -> None:
        raise RuntimeError(f"{vars(identity)} {identity.family_name}")

    with monkeypatch.context() as broken:
        broken.setattr(patients, "_created", crash)
        another = known | {"patient_id": f"{CANARY.patient_id}-2"}
        assert coordinator.post("/api/patients/", another, content_type="application/json").status_code == 500


def refuse_images(told: Told) -> None:
    """The patient's images for somebody else, damaged ones, and ones whose values do not fit their fields."""
    other = {
        "patient_id": "LM-1",
        "family_name": "Somebody",
        "given_name": "Else",
        "birth_date": "1970-01-01",
    }
    told.patient = told[Role.ORD].post("patients/", other, 201)["token"]
    device = story.order_device(told, "cranial_guide_training")
    send_images(told, device)
    assert told[Role.IMG].get(f"devices/{device}/")["study"]["status"] == "refused"
    files = upload(told.folder / "damaged")
    cut = [
        SimpleUploadedFile(file.name or "", (file.read() or b"")[: 900 + 40 * n])
        for n, file in enumerate(files)
    ]
    told[Role.IMG].send(f"devices/{device}/studies/", {"files": cut})
    told.drain()
    parts = [file.read() or b"" for file in upload(told.folder / "odd")]
    odd = [part.replace(CANARY.birth_date.replace("-", "").encode(), b"ZZKANARI") for part in parts]
    told[Role.IMG].send(
        f"devices/{device}/studies/",
        {"files": [SimpleUploadedFile(f"{CANARY.others[5]}{n}.dcm", part) for n, part in enumerate(odd)]},
    )
    told.drain()


def walk(web: Web, *people: Who) -> int:
    """Every page and file that these people reach by following links, from the navigation on."""
    return sum(walk_as(web, browser(who)) for who in people)


def walk_as(web: Web, client: Browser) -> int:
    waiting = [
        "/",
        "/api/patients/",
        "/api/schema/",
        "/audit-trail/?as=csv",
        "/nothing/",
        "/patients/PNOBODYX9/",
    ]
    seen, followed, walked = set(waiting), Counter[str](), 0
    while waiting:
        path = waiting.pop(0)
        answer: Any = client.get(path)
        walked += 1
        # What does not flow was looked at when it was answered.
        content = b"".join(answer.streaming_content) if answer.streaming else answer.content
        if answer.streaming:
            web.search.look(f"page: {path}", content)
        for link in LINK.findall(content.decode(errors="replace")):
            clean = unescape(link)
            if (
                clean not in seen
                and not clean.startswith(NOT_FOLLOWED)
                and followed[name_of(clean)] < FOLLOWED
            ):
                seen.add(clean)
                followed[name_of(clean)] += 1
                waiting.append(clean)
    return walked


def name_of(address: str) -> str:
    try:
        return resolve(address.partition("?")[0]).view_name
    except Resolver404:
        return ""


@pytest.mark.requirement("ES-01")
@pytest.mark.requirement("G-SOD-01")
@pytest.mark.requirement("G-MAT-01")
def test_from_a_patient_to_a_released_device_without_a_trace_outside_the_vault(
    cluster: Cluster,
    drain_by_celery: Callable[[], int],
    fleet: Running,
    machines: Path,
    valkey: redis.Redis,
    search: Search,
    web: Web,
    log: io.StringIO,
    temporary: Path,
    places: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(story, "IDENTITY", IDENTITY)
    began = time.time() - CLOCK_S
    with Listener(settings.BROKER_URL) as listener, warnings.catch_warnings():
        warnings.simplefilter("always")  # a library's warning is a line in the log
        told = Told(drain_by_celery, tmp_path / "sent")
        told.folder.mkdir()
        tell(told, fleet, machines, search)
        look_and_refuse(told, monkeypatch)
        refuse_images(told)
        everybody = make_person(*(set(Role) - ADMINISTRATION))
        walked = walk(web, everybody, make_person(*ADMINISTRATION))
        search.broker(valkey)
    search.look("monitor", "\n".join(listener.heard))
    for name, folder in (places | {"temporary": temporary}).items():
        search.folder(name, folder)
    for name in ("log", "witness", "run"):
        search.folder(name, cluster.layout.root / name)
    search.look("log: every process", log.getvalue())
    out, err = capfd.readouterr()
    search.look("log: output", out + err)
    for message in mail.outbox:
        search.look("e-mail", message.message().as_bytes())
    assert PatientIdentity.objects.count() == 2
    look_at_the_disk(search, cluster, began)
    assert search.found == []
    # Each was really looked at; a search of nothing finds nothing.
    assert web.shown == 2
    assert walked > 60
    assert "celery" in " ".join(listener.heard) or "deliver" in " ".join(listener.heard)
    least = {"page": 500_000, "log": 10_000, "monitor": 1_000, "artefacts": 1_000_000, "machine": 300, "row": 50_000,
             "disk": 10_000_000, "valkey": 100, "address": 1_000}  # fmt: skip
    assert {
        kind: search.looked_at.get(kind, 0)
        for kind, size in least.items()
        if search.looked_at.get(kind, 0) < size
    } == {}


def look_at_the_disk(search: Search, cluster: Cluster, began: float) -> None:
    """Every row as text, then PGDATA and its journal as bytes, after everything was written down; what nobody wrote since
    the story began tells nothing of it."""
    with cluster.connect(roles.SUPERUSER, str(connection.settings_dict["NAME"])) as superuser:
        search.tables(superuser)
        superuser.execute("CHECKPOINT")
    search.folder("disk", cluster.layout.postgres, began)
    search.folder("disk", cluster.layout.valkey, began)
