"""The nightly check, what is written down about it, and the page that says what is overdue (P11-10c)."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from django.utils import timezone

from mes.choices import Meaning, Role
from mes.eventlog import schedules
from mes.eventlog.sealing import load_key
from mes.eventlog.verify import verify
from mes.events import IntegrityFailed
from mes.exceptions import Conflict, NotPermitted, SignatureRefused
from mes.models import EventRecord, IntegrityCheck, RestoreDrill
from mes.services.artefacts import artefact_path, store_artefact
from mes.services.safekeeping import confirm_drill, drill_content, record_backup, record_drill
from mes.services.signatures import content_digest
from tests.mes.makers import PASSWORD, make_account, make_person, make_signer

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


# --- the person who confirms a drill


@pytest.fixture
def drilled(db: None) -> RestoreDrill:
    return record_drill(of=DRILL)


@pytest.mark.requirement("ES-19")
def test_a_person_confirms_a_drill_over_its_result(drilled: RestoreDrill) -> None:
    keeper = make_account(make_person(Role.SYS))
    client = Client()
    client.force_login(keeper)
    assert "waits for somebody who looks" in client.get("/safekeeping/").content.decode()
    url = f"/act/drill/{drilled.pk}/confirm-drill/"
    page = client.get(url).content.decode()
    digest = content_digest(drill_content(drilled))
    assert digest in page
    typed = {"username": keeper.username, "password": PASSWORD}
    for stale in ("", "0" * 64):
        assert client.post(url, typed | {"digest": stale}).status_code == 409
    assert client.post(url, typed | {"digest": digest}).status_code == 303
    drilled.refresh_from_db()
    assert drilled.confirmation is not None
    assert (drilled.confirmation.meaning, drilled.confirmation.person) == (Meaning.VERIFIED, keeper.person)
    assert EventRecord.objects.get(type="mes.drill_confirmed").stream_id == str(drilled.pk)
    page = client.get("/safekeeping/").content.decode()
    assert str(keeper.person) in page
    assert "waits for somebody who looks" not in page
    assert client.post(url, typed | {"digest": digest}).status_code == 409


def test_a_drill_is_confirmed_once_and_by_those_who_answer_for_it(drilled: RestoreDrill) -> None:
    operator, typed = make_signer(Role.OPR)
    with pytest.raises(NotPermitted):
        confirm_drill(drill_id=drilled.pk, actor=operator, credentials=typed)
    keeper, typed = make_signer(Role.REC)
    with pytest.raises(SignatureRefused):
        confirm_drill(drill_id=drilled.pk, actor=keeper, credentials=replace(typed, password="wrong one"))
    drilled.refresh_from_db()
    assert drilled.confirmation is None
    confirm_drill(drill_id=drilled.pk, actor=keeper, credentials=typed)
    with pytest.raises(Conflict, match="confirmed already"):
        confirm_drill(drill_id=drilled.pk, actor=keeper, credentials=typed)
    assert verify(keys={}, witness=None).result == "VALID"


def test_the_command_shows_the_result_and_signs_it(
    drilled: RestoreDrill, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    account = make_account(make_person(Role.SYS))
    monkeypatch.setattr("sys.stdin", StringIO("not the password\n"))
    with pytest.raises(CommandError, match="ES-01"):
        call_command("confirm_drill", str(drilled.pk), user=account.username)
    drilled.refresh_from_db()
    assert drilled.confirmation is None
    monkeypatch.setattr("sys.stdin", StringIO(f"{PASSWORD}\n"))
    call_command("confirm_drill", str(drilled.pk), user=account.username)
    said = capsys.readouterr().out
    assert content_digest(drill_content(drilled)) in said
    assert '"digest_match": true' in said
    drilled.refresh_from_db()
    assert drilled.confirmation is not None
