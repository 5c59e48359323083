"""Signing in and out."""

from __future__ import annotations

import pytest
from django.test import Client

from mes.choices import Role
from mes.models import Account
from tests.devices.makers import PASSWORD, Staff, make_planned
from tests.mes.dashboard.conftest import Visit

NEUTRAL = "User id or password is wrong, or this account is closed."


@pytest.mark.parametrize(
    ("_case", "username", "password"),
    [
        ("unknown name", "nobody", PASSWORD),
        ("wrong password", "", "not the password at all"),
        ("nothing", "", ""),
    ],
)
def test_every_failure_reads_the_same(staff: Staff, _case: str, username: str, password: str) -> None:
    client = Client()
    name = username or staff[Role.ORD].username
    answer = client.post("/sign-in/", {"username": name, "password": password})
    assert answer.status_code == 422
    assert NEUTRAL in answer.content.decode()
    assert "_auth_user_id" not in client.session


@pytest.mark.requirement("P11-10d")
def test_a_closed_account_cannot_sign_in(staff: Staff) -> None:
    who = staff[Role.ORD]
    account = Account.objects.get(username=who.username)
    account.is_active = False
    account.save()
    answer = Client().post("/sign-in/", {"username": who.username, "password": PASSWORD})
    assert (answer.status_code, NEUTRAL in answer.content.decode()) == (422, True)


@pytest.mark.parametrize(
    ("asked", "led"),
    [("/orders/", "/orders/"), ("https://evil.example/", "/"), ("//evil.example", "/"), ("", "/")],
)
def test_signing_in_leads_only_to_this_site(staff: Staff, asked: str, led: str) -> None:
    who = staff[Role.ORD]
    answer = Client().post("/sign-in/", {"username": who.username, "password": PASSWORD, "next": asked})
    assert (answer.status_code, answer["Location"]) == (302, led)


def test_a_stranger_is_sent_to_the_sign_in_page(db: None) -> None:
    for path in ("/", "/my-work/", "/audit-trail/", "/devices/D0000001/", "/lots/"):
        answer = Client().get(path)
        assert (answer.status_code, answer["Location"]) == (302, f"/sign-in/?next={path}")


def test_a_dialog_of_a_session_that_has_ended_sends_the_browser_to_sign_in_and_back_to_its_page(
    db: None,
) -> None:
    answer = Client().post(
        "/act/device/D0000001/hold/",
        headers={"HX-Request": "true", "HX-Current-URL": "https://evil.example/devices/D0000001/?tab=2"},
    )
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer["HX-Redirect"] == "/sign-in/?next=/devices/D0000001/%3Ftab%3D2&ended=1"
    assert "nothing was signed" in Client().get(answer["HX-Redirect"]).content.decode()


def test_the_address_of_a_dialog_shows_what_the_dialog_is_about(staff: Staff, as_: Visit) -> None:
    device = make_planned(staff)
    answer = as_(staff[Role.QAR]).get(
        f"/act/device/{device.code}/hold-device/", headers={"Sec-Fetch-Mode": "navigate"}
    )
    assert (answer.status_code, answer["Location"]) == (302, f"/devices/{device.code}/")


def test_signing_out_needs_a_post(coordinator: Client) -> None:
    assert coordinator.get("/sign-out/").status_code == 405
    assert "_auth_user_id" in coordinator.session
    assert coordinator.post("/sign-out/")["Location"] == "/sign-in/"
    assert "_auth_user_id" not in coordinator.session


@pytest.mark.requirement("P11-10d")
@pytest.mark.parametrize(("role", "status"), [(Role.SYS, 404), (Role.SEC, 404), (Role.QAR, 200)])
def test_who_administers_the_system_does_not_read_what_happened_to_a_device(
    staff: Staff, as_: Visit, role: Role, status: int
) -> None:
    device = make_planned(staff)
    client = as_(staff[role])
    assert client.get(f"/devices/{device.code}/history/").status_code == status
    page = client.get(f"/devices/{device.code}/").content.decode()
    assert ("Device planned" in page) is (status == 200)
