"""When a post-processing step started and finished, as its dialog takes it: by the site's clock, and checked."""

from __future__ import annotations

import html
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest
from django.test import Client
from django.utils import timezone

from devices.models import Device
from mes.choices import Role
from quality.models import PostProcessStep
from quality.services import timing
from quality.services.postprocessing import start_post_processing
from tests.devices.makers import Who
from tests.mes.dashboard.conftest import Visit
from tests.quality.makers import PASSWORD, make_built_device, make_staff

HTMX = {"HX-Request": "true"}
pytestmark = [pytest.mark.django_db, pytest.mark.requirement("G-PST-01")]


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """Two hours before now as far as the step's times are concerned; the device was built six hours before it."""
    now = timezone.now().replace(microsecond=0)
    later = SimpleNamespace(now=lambda: now + timedelta(hours=2), is_naive=timezone.is_naive)
    monkeypatch.setattr(timing, "timezone", later)
    return now


class Dialog:
    """The step dialog of one finisher and one device that waits for its wash."""

    def __init__(self, as_: Visit) -> None:
        people = make_staff()
        self.device: Device = make_built_device(people)
        start_post_processing(device_id=self.device.pk)
        self.who = Who(people[Role.PST], people[Role.PST].accounts.get().username)
        self.client: Client = as_(self.who)
        self.path = f"/act/device/{self.device.code}/record-step/"

    def send(self, **typed: str) -> tuple[int, str]:
        """What is shown to be signed is signed: the digest is the preview's."""
        body = {name.replace("value_", "value."): value for name, value in typed.items()} | {"step": "wash"}
        shown = self.client.post(f"{self.path}preview/", body, headers=HTMX)
        digest = shown.context.get("digest", "") if shown.status_code == 200 else ""
        words = {"username": self.who.username, "password": PASSWORD, "digest": digest}
        answer = self.client.post(self.path, body | words, headers=HTMX)
        return answer.status_code, html.unescape(answer.content.decode())


@pytest.fixture
def dialog(as_: Visit) -> Dialog:
    return Dialog(as_)


def said(moment: datetime) -> str:
    """As a browser sends a day and a time: without a zone."""
    return timezone.localtime(moment).strftime("%Y-%m-%dT%H:%M:%S")


def test_the_dialog_asks_for_both_times_by_the_sites_clock(dialog: Dialog) -> None:
    page = html.unescape(dialog.client.get(dialog.path, headers=HTMX).content.decode())
    for name in ("started_at", "ended_at"):
        assert f'name="{name}"' in page
    assert page.count('type="datetime-local"') == 2
    assert f"By the site's clock, {timezone.localtime():%Z}" in page


@pytest.mark.requirement("ES-19")
def test_both_times_are_signed_and_give_the_duration(built: datetime, dialog: Dialog) -> None:
    started, ended = built + timedelta(minutes=30), built + timedelta(minutes=36)
    status, page = dialog.send(started_at=said(started), ended_at=said(ended), equipment="Washer 2")
    assert status == 204, page
    step = PostProcessStep.objects.get()
    assert (step.started_at, step.ended_at) == (started, ended)
    assert step.values[0]["value"] == 6
    assert step.values[0]["derived"] == "the duration, from both times"
    assert f"{started:%Y-%m-%dT%H:%M:%S}" in step.signature.content


def test_without_times_the_duration_is_enough_as_before(dialog: Dialog) -> None:
    status, page = dialog.send(value_duration_min="6")
    assert status == 204, page
    step = PostProcessStep.objects.get()
    assert (step.started_at, step.ended_at) == (None, None)


WRONG = {
    "finished before it started": (40, 36, "A step ends after it starts"),
    "in the future": (30, 121, "not in the future"),
    "before the print ended": (-400, -390, "cannot have started before the device was built"),
}


@pytest.mark.parametrize(("start", "end", "words"), WRONG.values(), ids=WRONG)
def test_times_that_cannot_be_are_refused_and_nothing_is_written(
    built: datetime, dialog: Dialog, start: int, end: int, words: str
) -> None:
    moments = [said(built + timedelta(minutes=minutes)) for minutes in (start, end)]
    status, page = dialog.send(started_at=moments[0], ended_at=moments[1])
    assert (status, words in page) == (422, True), page
    assert not PostProcessStep.objects.exists()


@pytest.mark.parametrize("text", ["yesterday", "2026-11-22", "2026-11-22T14:30:00+02:00", "2026-02-30T10:00"])
def test_what_is_no_time_is_refused_with_its_field(dialog: Dialog, text: str) -> None:
    status, page = dialog.send(started_at=text, value_duration_min="6")
    assert (status, "Started is no day and time." in page) == (422, True)
    assert not PostProcessStep.objects.exists()


def test_neither_duration_nor_both_times_is_refused(built: datetime, dialog: Dialog) -> None:
    status, page = dialog.send(started_at=said(built + timedelta(minutes=30)))
    assert (status, "needs a measured number" in page) == (422, True), page
    assert not PostProcessStep.objects.exists()
