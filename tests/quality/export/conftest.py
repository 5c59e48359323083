"""A released device whose record is sealed, and its bundle."""

from __future__ import annotations

import hashlib
import io
import shutil
import zlib
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.utils import timezone

from devices.models import Device
from mes.choices import Meaning, Role
from mes.eventlog.sealing import Sealer, load_key
from mes.models import EventRecord, Person
from mes.services.signing_handwritten import upload_handwritten, verify_handwritten
from quality.services import bundle as bundles
from quality.services.bundle import Bundle, bundle_of
from quality.services.reports import render_production_record
from tests.mes.logins import acting_as
from tests.mes.makers import make_paper
from tests.quality.makers import PEOPLE, Staff, acting, leave_undrawn, make_person, make_staff, typed
from tests.quality.test_release import REVIEWED, release, reviewed
from tests.scenes import Scene, told
from tests.servers import Cluster

_archives: dict[str, bytes] = {}


def seal(cluster: Cluster, folder: Path) -> None:
    """What the sealer does, as its own role."""
    sealer = Sealer(load_key(django_settings.KEYS_DIR), folder / "seals.jsonl")
    with acting_as(cluster, "lamina_sealer"):
        sealer.seal_once()


def archive_of(bundle: Bundle) -> bytes:
    target = io.BytesIO()
    bundle.write(target)
    return target.getvalue()


def carrying(text: bytes) -> bytes:
    """A PDF with what a copy's pages must carry, and nothing to look at."""
    streams = (text, b"<?xpacket begin=''?>" + hashlib.sha256(text).hexdigest().encode())
    return b"%PDF-1.7\n" + b"".join(b"stream\n" + zlib.compress(one) + b"\nendstream\n" for one in streams)


def _plain_pages(_device: Device, _record: dict[str, Any], text: bytes) -> bytes:
    """Drawing the pages takes seconds."""
    return carrying(text)


@pytest.fixture
def drawn() -> None:
    """Asked for by a test that looks at the pages of a record."""


@pytest.fixture(autouse=True)
def plain_pages(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pages of a record are drawn for those who look at them, and for the archive that many tests read."""
    if not {"drawn", "archive", "own_archive"} & set(request.fixturenames):
        monkeypatch.setattr(bundles, "_pdf", _plain_pages)


@pytest.fixture
def keys(tmp_path: Path, settings: Any) -> Path:
    folder = tmp_path / "keys"
    shutil.copytree(settings.KEYS_DIR, folder)
    settings.KEYS_DIR = folder
    return folder


@pytest.fixture
def staff(committed_db: None, keys: Path) -> Staff:
    return make_staff()


@pytest.fixture
def auditor(staff: Staff) -> Person:
    return make_person("Person AUD", Role.AUD)


def _released() -> int:
    staff = make_staff()
    device = reviewed(staff)
    release(staff, device)
    fact = EventRecord.objects.get(type="quality.device_released")
    with pytest.MonkeyPatch.context() as undrawn:
        leave_undrawn(undrawn)
        render_production_record(device.pk, last_pos=fact.pos)()
    _signed_by_hand(staff, device)
    return device.pk


def _signed_by_hand(staff: Staff, device: Device) -> None:
    """A paper about the device, brought by one person and verified by another."""
    brought = upload_handwritten(
        subject=device,
        printed_name="Dr Paper Hand",
        meaning=Meaning.REVIEWED,
        executed_on=timezone.localdate(),
        scan=make_paper(),
        actor=acting(staff[Role.ORD]),
    )
    verifier = staff[Role.RA]
    verify_handwritten(handwritten_id=brought.pk, actor=acting(verifier), credentials=typed(verifier))


RELEASED = Scene("released", PEOPLE.make, story=_released, upon=REVIEWED)


@pytest.fixture
def released(staff: Staff) -> Device:
    """A released device with its production record: the scene of the tests that ask for it."""
    number = told("released")
    assert isinstance(number, int)
    return Device.objects.get(pk=number)


@pytest.fixture
def sealed(cluster: Cluster, keys: Path, tmp_path: Path, released: Device) -> Device:
    seal(cluster, tmp_path)
    return released


@pytest.fixture
def bundle(sealed: Device) -> Bundle:
    return bundle_of(sealed)


@pytest.fixture
def archive(request: pytest.FixtureRequest, released: Device) -> bytes:
    """The bytes of a bundle, written once for every test that only reads it, with its signing key."""
    if not _archives:
        request.getfixturevalue("own_archive")
    return _archives["zip"]


@pytest.fixture
def own_archive(bundle: Bundle) -> bytes:
    """The bytes of this test's own bundle, which the later tests read too."""
    _archives["zip"] = archive_of(bundle)
    _archives["key"] = (django_settings.KEYS_DIR / "signing.key").read_bytes()
    return _archives["zip"]


@pytest.fixture
def signing_key(archive: bytes) -> bytes:
    return bytes.fromhex(_archives["key"].decode())
