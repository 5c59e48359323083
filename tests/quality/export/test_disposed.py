"""What was lawfully destroyed: its record is exported with the certificate in place of the files, and nothing else may be missing."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from devices.models import Device
from mes.choices import Role
from mes.models import Disposal, Person
from mes.services.artefacts import artefact_path, store
from mes.services.disposals import carry_out_disposal
from quality.export import verify_record
from quality.export.verify_record import canonical
from quality.services.bundle import bundle_of
from quality.services.integrity import _files, verify_integrity
from tests.quality.export.conftest import archive_of, seal
from tests.quality.export.test_bundle import contents
from tests.quality.makers import acting, make_person, typed
from tests.quality.test_retention import approved, end_of, on_the_day
from tests.servers import Cluster


@pytest.fixture
def disposed(released: Device, cluster: Cluster, keys: Path, tmp_path: Path) -> Disposal:
    """The device's files are gone, under the signatures of two people, and everything is sealed."""
    manager, reviewer = make_person("Records", Role.REC), make_person("Another", Role.QAR)
    with on_the_day(end_of(released) + timedelta(days=1)):
        found = approved(released, (acting(manager), typed(manager)), (acting(reviewer), typed(reviewer)))
        carry_out_disposal(disposal_id=found.pk)
    seal(cluster, tmp_path)
    return found


@pytest.mark.requirement("P11-10b", "K-15")
def test_a_destroyed_record_is_exported_with_its_certificate_and_nothing_else_is_missing(
    disposed: Disposal, released: Device, auditor: Person
) -> None:
    destroyed = [one["sha256"] for one in json.loads(disposed.certificate)["destroyed"]]
    device = Device.objects.get(pk=released.pk)
    archive = archive_of(bundle_of(device))
    check = verify_record.Check(io.BytesIO(archive))
    assert check.run() == []
    assert f"destroyed under certificate '{disposed.code}'" in " ".join(check.said)
    files = contents(archive)
    record = json.loads(files["record.json"])
    gone = {item["sha256"] for item in record["artefacts"] if item.get("disposed") == disposed.code}
    there = {name[10:] for name in files if name.startswith("artefacts/")}
    assert gone == set(destroyed) & {item["sha256"] for item in record["artefacts"]}
    assert len(gone) > 3
    assert there == {item["sha256"] for item in record["artefacts"]} - gone
    for what, (document, change) in UNEXPLAINED.items():
        told = json.loads(files[document])
        change(told, sorted(there)[0])
        check.texts = {**files, document: canonical(told)}
        if what == "another file":
            del check.entries[f"artefacts/{sorted(there)[0]}"]
        assert check.findings(check.artefacts), what

    integrity = verify_integrity(device, acting(auditor))
    assert (integrity.result, integrity.altered) == ("VALID", [])
    assert (integrity.disposed, integrity.certificates) == (len(gone), [disposed.code])
    artefact_path(record["artefacts"][0]["sha256"]).unlink(missing_ok=True)
    assert ["is missing" in text for text in _files(record["artefacts"][:1], store())] == [True]


Change = Callable[[Any, str], object]


def _of(told: Any, role: str) -> Any:
    """A signature over the certificate."""
    return next(
        row for row in told["signatures"] if row["subject_type"] == "mes.disposal" and row["meaning"] == role
    )


def _is_proposed(told: Any, _there: str) -> None:
    row = next(one for one in told["rows"] if one["stream"].startswith("mes.disposal/"))
    row["content"] = row["content"].replace("carried_out", "approved")


def _is_marked(told: Any, there: str) -> None:
    next(item for item in told["artefacts"] if item["sha256"] == there)["disposed"] = "Z0000001"


UNEXPLAINED: dict[str, tuple[str, Change]] = {
    "another file": ("record.json", _is_marked),
    "a mark and the file": ("record.json", _is_marked),
    "no mark": ("record.json", lambda told, _: [item.pop("disposed", "") for item in told["artefacts"]]),
    "not carried out": ("record.json", _is_proposed),
    "one signature": (
        "signatures.json",
        lambda told, _: told["signatures"].remove(_of(told, "approved")),
    ),
    "one person twice": (
        "signatures.json",
        lambda told, _: _of(told, "approved").update(person_id=_of(told, "authored")["person_id"]),
    ),
    "another certificate": ("signatures.json", lambda told, _: _of(told, "authored").update(content="{}")),
}
"""What explains no missing file."""
