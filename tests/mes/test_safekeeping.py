"""The nightly check, what is written down about it, and the page that says what is overdue (P11-10c)."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from mes.choices import Role
from mes.eventlog import schedules
from mes.eventlog.sealing import load_key
from mes.events import IntegrityFailed
from mes.models import EventRecord, IntegrityCheck
from mes.services.artefacts import artefact_path, store_artefact
from mes.services.safekeeping import record_backup, record_drill
from tests.mes.makers import make_account, make_person

pytestmark = pytest.mark.requirement("P11-10c")
BACKUP = {"name": "20261122T150000Z", "folder": "/mnt/backup", "events": 7, "tree_size": 5, "files": 2, "size": 900,
          "seconds": 1.5, "manifest": "0" * 64}  # fmt: skip
DRILL = {"backup": "20261122T150000Z", "restored_to": "/mnt/x", "digest_match": True, "events": 7, "tree_size": 5,
         "seconds": 9.0, "problem": ""}  # fmt: skip


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ARTEFACTS_DIR", "WITNESS_DIR", "KEYS_DIR"):
        monkeypatch.setattr(settings, name, tmp_path / name)
    load_key(tmp_path / "KEYS_DIR")


def night_falls(drain: Callable[[], int]) -> IntegrityCheck:
    schedules.take_slot(job="mes.nightly_check", due_at=schedules.slot_of(timedelta(days=1), timezone.now()))
    drain()
    return IntegrityCheck.objects.latest("pk")


def test_the_nightly_check_finds_everything_as_it_was(drain: Callable[[], int]) -> None:
    store_artefact(b"as it was", media_type="text/plain")
    check = night_falls(drain)
    assert (check.result, check.files, check.first_bad) == ("VALID", 1, None)
    assert check.events > 0
    assert EventRecord.objects.filter(type="mes.integrity_checked", stream_id=str(check.pk)).exists()


def test_a_flipped_bit_is_found_within_a_day_and_is_a_fact(drain: Callable[[], int]) -> None:
    name = store_artefact(b"as it was", media_type="text/plain").sha256
    path = artefact_path(name)
    path.chmod(0o600)
    path.write_bytes(b"as it wbs")
    check = night_falls(drain)
    assert check.result == "ALTERED"
    assert check.first_bad == {"what": "file", "where": f"{name}: altered", "pos": None}
    fact = EventRecord.objects.get(type=IntegrityFailed.name)
    assert name in fact.payload
    assert timedelta(days=1) == settings.CHECK_EVERY


def signed_in(*roles: Role) -> Client:
    client = Client()
    client.force_login(make_account(make_person(*roles)))
    return client


@pytest.mark.django_db
def test_the_page_says_what_was_never_done_and_what_is_overdue(monkeypatch: pytest.MonkeyPatch) -> None:
    client = signed_in(Role.SYS)
    empty = client.get("/safekeeping/").content.decode()
    for said in ("No backup was ever taken", "No drill ever went well", "has not been made yet"):
        assert said in empty
    record_backup(of=BACKUP, faults=[])
    record_drill(of=DRILL)
    fresh = client.get("/safekeeping/").content.decode()
    assert "as it was" in fresh
    assert "due every" not in fresh
    assert "No backup" not in fresh
    record_drill(of=DRILL | {"digest_match": False, "problem": "file x was altered"})
    monkeypatch.setattr(settings, "DRILL_EVERY", timedelta())
    monkeypatch.setattr(settings, "BACKUP_EVERY", timedelta())
    later = client.get("/safekeeping/").content.decode()
    assert "The last drill that went well is of" in later
    assert "file x was altered" in later
    assert "The last backup is of" in later


@pytest.mark.django_db
def test_an_altered_record_stands_on_top_of_the_page() -> None:
    IntegrityCheck.objects.create(
        result="ALTERED",
        events=1,
        files=1,
        disposed=0,
        seconds=1,
        first_bad={"what": "file", "where": "abc: altered"},
    )
    shown = signed_in(Role.QAR).get("/safekeeping/").content.decode()
    assert "not as it was written" in shown
    assert "abc: altered" in shown


@pytest.mark.django_db
def test_who_has_no_business_there_is_refused() -> None:
    assert signed_in(Role.OPR).get("/safekeeping/").status_code == 403
