"""Holding and disposing of a record through the pages (K-15, 21 CFR 11.10(c))."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from devices.models import Device
from mes.choices import DisposalStage, HoldScope, HoldStage, Role
from mes.eventlog.base import Actor
from mes.models import Account, Disposal, LegalHold
from mes.services.disposals import certificate_of
from mes.services.holds import held_by, release_content
from mes.services.retention import keeping_of, start_clock
from mes.services.signatures import content_digest
from tests.quality.makers import CANARY, PASSWORD, Staff, make_built_device, make_person, move_through
from tests.quality.test_retention import RELEASED, on_the_day

pytestmark = [pytest.mark.django_db, pytest.mark.requirement("K-15")]


@pytest.fixture
def device(staff: Staff) -> Device:
    made = make_built_device(staff)
    move_through(made, RELEASED)
    return Device.objects.get(pk=made.pk)


def signed_in(*roles: Role) -> tuple[Client, Account]:
    account = make_person("Somebody", *roles, Role.QAR).accounts.get()
    client = Client()
    client.force_login(account)
    return client, account


def typed(account: Account, content: Any) -> dict[str, str]:
    return {"username": account.username, "password": PASSWORD, "digest": content_digest(content)}


def place(client: Client, url: str, **of: str) -> Any:
    given = {
        "reason": "In court",
        "requester": "Counsel",
        "review_on": str(timezone.localdate() + timedelta(9)),
    }
    return client.post(url, given | of)


def test_a_hold_is_placed_shown_and_released_by_two(device: Device) -> None:
    client, manager = signed_in(Role.REC)
    code = device.order.code
    dialog = client.get(f"/act/order/{code}/place-hold-order/").content.decode()
    assert "everything of its patient" in dialog
    assert place(client, f"/act/order/{code}/place-hold-order/", reach="patient").status_code == 303
    hold = LegalHold.objects.get()
    assert hold.scope == HoldScope.PATIENT
    for page in (f"/orders/{code}/", f"/devices/{device.code}/"):
        shown = client.get(page).content.decode()
        assert f"legal hold {hold.code}" in shown
        assert "kept until" in shown
    assert hold.code in client.get("/retention/").content.decode()
    page = client.get(f"/legal-holds/{hold.code}/").content.decode()
    assert "In court" in page
    assert CANARY not in page
    content = release_content(hold, "Settled")
    said = client.post(
        f"/act/hold/{hold.code}/propose-hold-release/", {"reason": "Settled", **typed(manager, content)}
    )
    assert said.status_code == 303
    other, reviewer = signed_in()
    hold.refresh_from_db()
    assert held_by(device) == (hold,)
    done = other.post(
        f"/act/hold/{hold.code}/release-hold/", typed(reviewer, release_content(hold, "Settled"))
    )
    assert done.status_code == 303
    hold.refresh_from_db()
    assert hold.stage == HoldStage.RELEASED
    assert "legal hold" not in client.get(f"/devices/{device.code}/").content.decode()


def test_a_range_of_dates_is_held_from_the_list_and_its_faults_come_back(device: Device) -> None:
    client, _ = signed_in(Role.REC)
    url = "/act/retention/new/place-hold-retention/"
    today = str(timezone.localdate())
    refused = place(client, url, since=today, until="2020-01-01")
    assert refused.status_code == 422
    assert "a first and a last day" in refused.content.decode()
    assert LegalHold.objects.count() == 0
    assert place(client, url, since=today, until=today).status_code == 303
    assert held_by(device) == tuple(LegalHold.objects.all())


def test_a_disposal_is_offered_after_its_time_and_signed_by_two(device: Device) -> None:
    client, _ = signed_in(Role.REC)
    start_clock(row=device, actor=Actor.system("test"))
    button = f"/act/device/{device.code}/propose-disposal-device/"
    assert button not in client.get(f"/devices/{device.code}/").content.decode()
    assert client.get(button).status_code == 409
    until = keeping_of(device).until
    assert until is not None
    with on_the_day(until + timedelta(days=1)):
        client, manager = signed_in(Role.REC)
        assert device.code in client.get("/retention/").content.decode()
        assert button in client.get(f"/devices/{device.code}/").content.decode()
        content = certificate_of(device, "Over")
        assert client.post(button, {"reason": "Over", **typed(manager, content)}).status_code == 303
        disposal = Disposal.objects.get()
        other, reviewer = signed_in()
        assert "destroyed" in other.get(f"/disposals/{disposal.code}/").content.decode()
        said = other.post(f"/act/disposal/{disposal.code}/approve-disposal/", typed(reviewer, content))
        assert said.status_code == 303
        assert "manage.py dispose" in other.get(f"/disposals/{disposal.code}/").content.decode()
    disposal.refresh_from_db()
    assert disposal.stage == DisposalStage.APPROVED


@pytest.mark.parametrize("url", ["/legal-holds/H0000099/", "/disposals/Z0000099/", "/legal-holds/D0000001/"])
def test_what_is_not_there_is_not_found(url: str) -> None:
    client, _ = signed_in(Role.REC)
    assert client.get(url).status_code == 404


def test_the_empty_list_says_so() -> None:
    client, _ = signed_in(Role.REC)
    shown = client.get("/retention/").content.decode()
    for said in ("Nothing is held", "Nothing was ever disposed of", "Every record is in its time"):
        assert said in shown
