"""The page of slices: what is sent of the images and masks, to whom, how it is kept, and what its forms say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.test import Client

from devices.imaging.slices import hu_slice
from devices.imaging.storage import load_mask, save_volume
from devices.models import Device, SegmentationDraft
from devices.services.drafting import compute_draft
from devices.services.drafts import record_draft
from mes.choices import Role
from mes.services.artefacts import artefact_path, store_artefact
from tests.devices.makers import Staff, Who, make_planned, make_study, small_skull

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff() -> Staff:
    return Staff()


@pytest.fixture
def device(staff: Staff, tmp_path: Path, settings: Any) -> Device:
    settings.ARTEFACTS_DIR = tmp_path / "artefacts"
    device = make_planned(staff)
    study = make_study(device, staff)
    save_volume(small_skull(4.0), tmp_path / "volume.npz")
    study.volume = store_artefact(tmp_path / "volume.npz", media_type="application/x-npz")
    study.save()
    return device


def signed_in(who: Who) -> Client:
    client = Client()
    client.force_login(who.person.accounts.get())
    return client


def computed(draft: SegmentationDraft) -> None:
    outcome = compute_draft(draft.pk, draft.revision)
    record_draft(draft_id=draft.pk, revision=draft.revision, outcome=outcome)
    draft.refresh_from_db()


def posted(client: Client, device: Device, verb: str, **values: str) -> Any:
    """As the page sends it: with the revision that it shows."""
    draft = SegmentationDraft.objects.first()
    shown = {"revision": str(draft.revision)} if draft else {}
    return client.post(
        f"/devices/{device.code}/segment/{verb}/", shown | values, headers={"HX-Request": "true"}
    )


def test_a_slice_is_its_bytes_and_is_sent_once(device: Device, staff: Staff) -> None:
    client = signed_in(staff[Role.IMG])
    assert device.current_study is not None
    address = f"/devices/{device.code}/slices/{device.current_study.volume_id}/coronal/20/"
    first = client.get(address)
    assert first.content == hu_slice(small_skull(4.0), "coronal", 20).tobytes()
    assert first["Cache-Control"] == "private, no-cache"
    again = client.get(address, headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.requirement("G-INT-01")
def test_nothing_is_shown_of_an_altered_volume(device: Device, staff: Staff) -> None:
    assert device.current_study is not None
    name = str(device.current_study.volume_id)
    path = artefact_path(name)
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1])
    answer = signed_in(staff[Role.IMG]).get(f"/devices/{device.code}/slices/{name}/axial/3/")
    assert answer.status_code == 409
    assert b"G-INT-01" in answer.content


def test_there_are_slices_of_the_devices_own_files_alone(device: Device, staff: Staff) -> None:
    client = signed_in(staff[Role.IMG])
    other = store_artefact(b"something else", media_type="application/x-npz")
    assert device.current_study is not None
    name = device.current_study.volume_id
    for address in (
        f"slices/{other.pk}/axial/0",
        f"masks/{name}/axial/0",
        f"slices/{name}/oblique/0",
        f"slices/{name}/axial/25",
        f"slices/{'0' * 64}/axial/0",
    ):
        assert client.get(f"/devices/{device.code}/{address}/").status_code == 404, address


def test_a_draft_is_made_by_forms_and_its_mask_is_sent_as_bits(device: Device, staff: Staff) -> None:
    client = signed_in(staff[Role.SEG])
    assert posted(client, device, "open")["HX-Redirect"] == f"/devices/{device.code}/segment/"
    draft = SegmentationDraft.objects.get()
    answer = posted(client, device, "apply", operation="threshold", lower_hu="300", combine="replace")
    assert b"being computed" in answer.content
    stroke = "0 0 0\n\n 1.5, 2 3 \n"
    posted(client, device, "apply", operation="paint", stroke_mm=stroke, radius_mm="3", what="add")
    draft.refresh_from_db()
    assert draft.steps[1]["parameters"] == {
        "stroke_mm": [[0.0, 0.0, 0.0], [1.5, 2.0, 3.0]], "radius_mm": 3.0, "what": "add",
    }  # fmt: skip
    computed(draft)
    mask = load_mask(artefact_path(draft.masks[-1]))
    sent = client.get(f"/devices/{device.code}/masks/{draft.masks[-1]}/axial/12/").content
    flat = np.unpackbits(np.frombuffer(sent, np.uint8), count=49 * 49).reshape(49, 49)
    assert (flat == mask[12]).all()
    shown = client.get(f"/devices/{device.code}/segment/draft/").content.decode()
    assert f"{draft.volumes_ml[-1]:.2f} mL" in shown
    assert draft.masks[-1] in shown


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"operation": "threshold", "lower_hu": "much"}, "lower_hu must be a number"),
        ({"operation": "paint", "stroke_mm": "1 2", "radius_mm": "1"}, "three numbers"),
        ({"operation": "paint", "stroke_mm": "1 2 x", "radius_mm": "1"}, "three numbers"),
        ({"operation": "sharpen"}, "no operation"),
        ({}, "no operation"),
    ],
)
def test_what_is_typed_wrongly_is_refused_with_its_reason(
    device: Device, staff: Staff, values: dict[str, str], reason: str
) -> None:
    client = signed_in(staff[Role.SEG])
    posted(client, device, "open")
    answer = posted(client, device, "apply", **values)
    assert answer.status_code == 422
    assert reason in answer.content.decode()
    assert SegmentationDraft.objects.get().steps == []


def test_who_has_no_draft_changes_none_and_no_other_verb_is_known(device: Device, staff: Staff) -> None:
    client = signed_in(staff[Role.SEG])
    assert b"You have no draft open here" in posted(client, device, "undo").content
    assert posted(client, device, "sharpen").status_code == 404
    assert posted(signed_in(staff[Role.DSN]), device, "open").status_code == 403
    assert not SegmentationDraft.objects.exists()


def test_a_draft_of_replaced_images_says_so_on_its_page_and_offers_no_step(
    device: Device, staff: Staff
) -> None:
    client = signed_in(staff[Role.SEG])
    posted(client, device, "open")
    posted(client, device, "apply", operation="threshold", lower_hu="300", combine="replace")
    draft = SegmentationDraft.objects.get()
    computed(draft)
    stale = posted(client, device, "undo", revision="0")
    assert (stale.status_code, b"changed since you looked" in stale.content) == (409, True)
    study = make_study(device, staff)
    study.volume = draft.study.volume
    study.save()
    page = client.get(f"/devices/{device.code}/segment/").content.decode()
    assert "The images were replaced since this draft was opened" in page
    assert not any(f"/segment/{verb}/" in page for verb in ("apply", "undo", "remove"))
    assert draft.masks[-1] not in page
    answer = posted(client, device, "open")
    assert b"images were replaced" in answer.content
    assert posted(client, device, "discard")["HX-Redirect"] == f"/devices/{device.code}/segment/"
