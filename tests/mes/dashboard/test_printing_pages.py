"""Material, builds and the fleet: what the pages show, and how many queries they take."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from datetime import date

import pytest
from django.db import connection
from django.template.loader import render_to_string
from django.test import Client
from django.test.utils import CaptureQueriesContext

from mes.artefacts import ArtefactStore
from mes.choices import Role
from mes.dashboard.builds import curve_of
from mes.models import Signature
from mes.services.artefacts import artefact_path
from printing.choices import BuildState, Run
from printing.models import Build, MaterialLot, Printer
from printing.slicing.buildfile import mask_name
from tests.devices.makers import PASSWORD
from tests.mes.dashboard.conftest import Visit
from tests.printing.makers import Floor, hear, make_lot, make_printer, runs


@pytest.fixture
def operator(floor: Floor, as_: Visit) -> Client:
    return as_(floor.staff[Role.OPR])


@pytest.mark.requirement("G-MAT-01")
def test_a_lot_leads_to_its_devices_and_back(floor: Floor, operator: Client) -> None:
    device = floor.build.items.get().device
    job = floor.start()
    lot_page = operator.get(f"/lots/{floor.lot.code}/").content.decode()
    assert f"/devices/{device.code}/" in lot_page
    assert "nothing is booked yet" in lot_page
    floor.finish(job)
    lot_page = operator.get(f"/lots/{floor.lot.code}/").content.decode()
    assert "nothing is booked yet" not in lot_page
    assert floor.lot.code in operator.get(f"/devices/{device.code}/").content.decode()
    assert floor.lot.code in operator.get(f"/builds/{job.build.code}/").content.decode()


@pytest.mark.requirement("G-MAT-01")
@pytest.mark.parametrize(
    ("state", "said"),
    [
        (Run.PRINTING, ("prints now on", "nothing is booked yet")),
        (Run.PAUSED, ("stands still on", "nothing is booked yet")),
        (Run.FAILED, ("failed on", "nothing was booked")),
        (Run.CANCELLED, ("was cancelled on", "nothing was booked")),
    ],
)
def test_a_lot_says_of_an_unbooked_print_what_it_does(
    floor: Floor, operator: Client, state: Run, said: tuple[str, str]
) -> None:
    """A print that ended before its first layer takes nothing of the lot, and no longer prints."""
    job = floor.start()
    if state != Run.PRINTING:
        hear(floor.printer, runs(job, state, layer=0, material_ml=0.0))
    page = operator.get(f"/lots/{floor.lot.code}/").content.decode()
    assert all(words in page for words in said)
    assert page.count("prints now") == (state == Run.PRINTING)


def test_a_layer_of_a_build_is_a_picture(floor: Floor, operator: Client, as_: Visit) -> None:
    build = floor.build
    answer = operator.get(f"/builds/{build.code}/layers/1/")
    assert (answer.status_code, answer["Content-Type"], answer.content[:8]) == (
        200,
        "image/png",
        b"\x89PNG\r\n\x1a\n",
    )
    for layer in (0, (build.layer_count or 0) + 1):
        assert operator.get(f"/builds/{build.code}/layers/{layer}/").status_code == 404
        assert operator.get(f"/api/builds/{build.code}/layers/{layer}/").status_code == 404
    over_api = operator.get(f"/api/builds/{build.code}/layers/1/")
    assert (over_api.content, over_api["Content-Type"]) == (answer.content, "image/png")
    for path in (f"/builds/{build.code}/layers/1/", f"/api/builds/{build.code}/layers/1/"):
        assert as_(floor.staff[Role.SYS]).get(path).status_code == 404, "not even that it exists"
    (file,) = operator.get(f"/api/builds/{build.code}/artefacts/").json()
    assert (file["name"], file["sha256"]) == (f"{build.code}-build.zip", build.file_id)


def forged(content: bytes) -> bytes:
    """The same build file, but that layer 2 shows what layer 1 does."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(made, "w") as after:
        for entry in before.infolist():
            shown = mask_name(0) if entry.filename == mask_name(1) else entry.filename
            after.writestr(entry, before.read(shown))
        after.comment = b"forged"
    return made.getvalue()


def damaged(content: bytes) -> bytes:
    return content[: len(content) // 2]


@pytest.mark.requirement("G-INT-01", "P11-10a")
@pytest.mark.parametrize("altered", [forged, damaged])
def test_a_layer_of_an_altered_build_file_is_not_shown(
    floor: Floor, operator: Client, altered: Callable[[bytes], bytes]
) -> None:
    paths = [f"{door}/builds/{floor.build.code}/layers/2/" for door in ("", "/api")]
    shown = [operator.get(path).content for path in paths]
    stored = artefact_path(floor.build.file_id or "")
    whole = stored.read_bytes()
    stored.chmod(0o600)
    try:
        stored.write_bytes(altered(whole))
        for path in paths:
            answer = operator.get(path)
            assert (answer.status_code, "G-INT-01" in answer.content.decode()) == (409, True), path
    finally:
        stored.write_bytes(whole)
    assert [operator.get(path).content for path in paths] == shown, "as soon as it is restored"


@pytest.mark.requirement("G-INT-01")
def test_a_large_file_is_hashed_once_for_all_its_layers(
    floor: Floor, operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    verify = ArtefactStore.verify

    def counted(store: ArtefactStore, sha256: str) -> bool:
        hashed.append(sha256)
        return verify(store, sha256)

    monkeypatch.setattr(ArtefactStore, "verify", counted)
    stored = artefact_path(floor.build.file_id or "")
    stored.touch()
    for layer in (1, 2, 3):
        assert operator.get(f"/builds/{floor.build.code}/layers/{layer}/").status_code == 200
    assert hashed == [floor.build.file_id]
    stored.touch()
    operator.get(f"/builds/{floor.build.code}/layers/1/")
    assert hashed == [floor.build.file_id] * 2, "touched: asked again"


def test_the_curve_keeps_every_peak() -> None:
    areas = [1.0] * 2000
    areas[1234] = 50.0
    curve = curve_of(areas)
    assert curve is not None
    assert curve.top_mm2 == 50.0
    assert curve.edge.count("L") <= 500
    assert curve_of([]) is None


def test_lists_take_a_fixed_number_of_queries(floor: Floor, operator: Client) -> None:
    counts = []
    for more in (0, 3):
        for _ in range(more):
            make_lot(floor.staff)
            make_printer(floor.staff, floor.parameters)
        for path in ("/lots/", "/builds/?ended=on", "/fleet/"):
            with CaptureQueriesContext(connection) as queries:
                assert operator.get(path).status_code == 200
            counts.append(len(queries))
    assert counts[:3] == counts[3:]


@pytest.mark.requirement("G-PRN-07")
def test_a_printer_without_a_word_kept_of_it_was_never_heard(floor: Floor, operator: Client) -> None:
    printer = Printer.objects.create(name="Silent", kind="simulated", serial="S-silent", driver="simulated")
    for path in ("/fleet/", f"/printers/{printer.code}/"):
        answer = operator.get(path)
        assert answer.status_code == 200
        assert re.search(r"heard (<span[^>]*>)?never", answer.content.decode()), path


@pytest.mark.parametrize("part", ["lot", "build"])
def test_a_list_that_was_cut_says_so(part: str) -> None:
    template = f"printing/parts/{part}_rows.html"
    row = {"code": f"{part[0].upper()}0000001", "state": "draft", "print_seconds": 60}
    for more in (True, False):
        shown = render_to_string(template, {f"{part}s": [row], "more": more, "today": date(2026, 1, 1)})
        assert ("Only the newest are shown" in shown) is more


def test_the_operator_is_offered_what_the_machine_allows(floor: Floor, operator: Client) -> None:
    def verbs() -> str:
        return operator.get(f"/printers/{floor.printer.code}/actions/").content.decode()

    assert "load-container" in verbs()
    job = floor.dispatch()
    assert "start-job" in verbs()
    floor.start(job)
    assert "pause-job" in verbs()
    assert "load-container" not in verbs()
    floor.finish(job)
    assert "clear-plate" in verbs()


def test_a_container_is_found_by_its_label(floor: Floor, operator: Client) -> None:
    label = floor.lot.containers.get().label
    answer = operator.get("/find/", {"code": label})
    assert (answer.status_code, answer.get("Location")) == (302, f"/lots/{floor.lot.code}/")


def test_a_lot_is_received_through_its_dialog(floor: Floor, as_: Visit) -> None:
    client = as_(floor.staff[Role.MAT])
    typed = {
        "material": floor.lot.material.code, "supplier": "Example Resins", "supplier_lot": "RG-7788", "quantity": "1000",
        "unit": "ml", "expires_on": "2031-05-31", "containers": "500 500",
        "certificate": "viscosity; 850; mPa.s; 600; 1100\nwater; 0.05; %;; 0.2",
    }  # fmt: skip
    answer = client.post("/act/lots/new/receive-lot/", typed, headers={"HX-Request": "true"})
    lot = MaterialLot.objects.get(supplier_lot="RG-7788")
    assert (answer.status_code, answer["HX-Redirect"]) == (204, f"/lots/{lot.code}/")
    assert [row["characteristic"] for row in lot.certificate] == ["viscosity", "water"]
    assert lot.containers.count() == 2


@pytest.mark.parametrize(
    ("_case", "changed", "said"),
    [
        ("not a number", {"quantity": "NaN"}, "Quantity is no number"),
        ("half a line", {"certificate": "viscosity"}, "Line 1 of the certificate"),
        ("words in a line", {"certificate": "viscosity; thick; mPa.s"}, "is no number"),
        ("NaN in a line", {"certificate": "viscosity; sNaN; mPa.s"}, "no number that can be measured"),
        (
            "beyond a double",
            {"certificate": "viscosity; 1e999999999; mPa.s"},
            "no number that can be measured",
        ),
        ("too much", {"quantity": "1e999999999"}, "Quantity is too large"),
        ("words for containers", {"containers": "two"}, "not numbers"),
        ("a day nobody means", {"expires_on": "9999-12-31"}, "The expiry date is 9999-12-31"),
        ("a day long past", {"expires_on": "1950-01-01"}, "The expiry date is 1950-01-01"),
        ("an override", {"supplier": "Resins \u202eoC"}, "(U+202E RIGHT-TO-LEFT OVERRIDE)"),
        (
            "a hidden space",
            {"certificate": "visco\u200bsity; 850; mPa.s; 600; 1100"},
            "(U+200B ZERO WIDTH SPACE)",
        ),
        ("a foreign unit", {"unit": "gallon"}, "none of the choices"),
    ],
)
def test_a_wrong_lot_is_refused_and_not_written(
    floor: Floor, as_: Visit, _case: str, changed: dict[str, str], said: str
) -> None:
    before = MaterialLot.objects.count()
    typed = {
        "material": floor.lot.material.code, "supplier": "Example", "supplier_lot": "X-1", "quantity": "10", "unit": "ml",
        "expires_on": "2031-05-31",
    } | changed  # fmt: skip
    answer = as_(floor.staff[Role.MAT]).post(
        "/act/lots/new/receive-lot/", typed, headers={"HX-Request": "true"}
    )
    assert (answer.status_code, said in answer.content.decode()) == (422, True)
    assert MaterialLot.objects.count() == before


@pytest.mark.requirement("ES-19")
@pytest.mark.requirement("G-PRT-01")
def test_who_decides_about_an_interruption_sees_what_is_signed(floor: Floor, as_: Visit) -> None:
    job = floor.start()
    hear(floor.printer, runs(job, Run.PAUSED))
    hear(floor.printer, runs(job, Run.PRINTING))
    build, quality = floor.finish(job).build, floor.staff[Role.QAR]
    client, path = as_(quality), f"/act/build/{build.code}/accept-interruption/"
    typed = {"username": quality.username, "password": PASSWORD, "reason": "Looked at every layer"}
    shown = client.post(f"{path}preview/", typed, headers={"HX-Request": "true"}).content.decode()
    for word in (build.code, job.code, "Looked at every layer"):
        assert word in shown
    digest = shown.split('name="digest" value="')[1].split('"')[0]
    answers = [
        client.post(path, typed | {"digest": given}, headers={"HX-Request": "true"}).status_code
        for given in ("", "0" * 64, digest)
    ]
    assert answers == [409, 409, 204]
    assert Signature.objects.get(subject_type="printing.build", meaning="approved").content_digest == digest
    assert Build.objects.get(pk=build.pk).state == BuildState.COMPLETED
