"""Device masters and materials: two people each, and nothing that does not exist."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from devices.catalog.base import CONTACTS, MASTERS, MATERIALS, MasterDefinition, covers
from devices.generators.base import GENERATORS, check_values, within_envelope
from devices.models import DeviceMaster, Material
from devices.segmentation.base import SEGMENTERS, TOOLS
from devices.services.definitions import (
    draft_master,
    draft_material,
    material_content,
    publish_master,
    specify_material,
)
from mes.choices import Role
from mes.exceptions import InvalidInput, NotPermitted, TransitionRefused
from tests.devices.makers import TRAINING, make_master, make_material, make_person

pytestmark = pytest.mark.django_db


def test_publishing_a_new_revision_supersedes_the_one_before() -> None:
    first = make_master()
    second = make_master(TRAINING, title="Cranial guide, second thoughts")
    first.refresh_from_db()
    assert (first.status, second.status) == ("superseded", "effective")
    assert (first.revision, second.revision) == (1, 2)
    assert second.approval is not None


@pytest.mark.requirement("G-SOD-01")
def test_nobody_approves_their_own_master_or_material() -> None:
    make_material()
    both = make_person(Role.DSN, Role.QAR)
    master = draft_master(definition=TRAINING, actor=both.actor)
    with pytest.raises(NotPermitted, match="author"):
        publish_master(master_id=master.pk, actor=both.actor, credentials=both.typed())
    definition = type(MATERIALS["resin-guide-01"])(
        **{**MATERIALS["resin-guide-01"].__dict__, "code": "resin-x"}
    )
    material = draft_material(definition=definition, actor=both.actor)
    with pytest.raises(NotPermitted, match="author"):
        specify_material(material_id=material.pk, actor=both.actor, credentials=both.typed())
    assert DeviceMaster.objects.get(pk=master.pk).status == "draft"
    assert Material.objects.get(pk=material.pk).status == "draft"


@pytest.mark.requirement("G-MAT-07")
def test_a_master_of_an_unapproved_material_is_not_published() -> None:
    author, approver = make_person(Role.DSN, Role.MAT), make_person(Role.QAR)
    draft_material(definition="resin-guide-01", actor=author.actor)
    master = draft_master(definition=TRAINING, actor=author.actor)
    with pytest.raises(TransitionRefused, match="without an approved specification"):
        publish_master(master_id=master.pk, actor=approver.actor, credentials=approver.typed())
    assert DeviceMaster.objects.get().status == "draft"


def test_what_is_effective_is_not_published_again() -> None:
    master, approver = make_master(), make_person(Role.QAR)
    with pytest.raises(TransitionRefused, match="effective already"):
        publish_master(master_id=master.pk, actor=approver.actor, credentials=approver.typed())


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"design": {"generator": "magic"}}, "generator is unknown"),
        ({"segmentation": {"segmenter": "magic"}}, "segmenter is unknown"),
        ({"materials": ()}, "at least one material"),
        ({"pathway": " "}, "pathway is missing"),
        ({"contact_category": "deep"}, "contact category is unknown"),
    ],
)
def test_a_master_that_names_nothing_real_is_refused(fields: dict[str, Any], said: str) -> None:
    author = make_person(Role.DSN)
    definition = MasterDefinition(**{**MASTERS[TRAINING].__dict__, **fields})
    with pytest.raises(InvalidInput, match=said):
        draft_master(definition=definition, actor=author.actor)
    assert not DeviceMaster.objects.exists()


@pytest.mark.requirement("G-MAT-03")
@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"characteristic": " ", "unit": "MPa", "minimum": 1}, "no name or no unit"),
        ({"characteristic": "modulus", "minimum": 1}, "no name or no unit"),
        ({"characteristic": "modulus", "unit": "MPa"}, "modulus has no limit"),
        ({"characteristic": "modulus", "unit": "MPa", "minimum": float("nan")}, "modulus has no limit"),
        ({"characteristic": "modulus", "unit": "MPa", "minimum": 2, "maximum": 1}, "leave nothing"),
        ({"characteristic": "Viscosity", "unit": "mPa·s", "minimum": 1}, "viscosity is required 2 times"),
    ],
)
def test_a_material_that_requires_nothing_provable_is_refused(row: dict[str, Any], said: str) -> None:
    author, base = make_person(Role.MAT), MATERIALS["resin-guide-01"]
    with pytest.raises(InvalidInput, match=said):
        draft_material(
            definition=replace(base, required_results=(*base.required_results, row)), actor=author.actor
        )
    assert not Material.objects.exists()


@pytest.mark.requirement("G-MAT-03")
def test_the_approval_of_a_material_covers_what_it_requires() -> None:
    content = material_content(make_material())
    assert [row["characteristic"] for row in content["required_results"]] == ["viscosity"]


def test_an_unknown_code_names_what_the_catalog_has() -> None:
    author = make_person(Role.DSN)
    with pytest.raises(InvalidInput, match=r"anatomical_model, .*cranial_guide, cranial_guide_training"):
        draft_master(definition="cranial_gide", actor=author.actor)


@pytest.mark.requirement("G-DES-01")
@pytest.mark.parametrize("code", list(MASTERS))
def test_the_defaults_of_every_master_are_inside_its_envelope(code: str) -> None:
    master = MASTERS[code]
    assert master.segmentation["segmenter"] in SEGMENTERS
    assert master.segmentation["segmenter"] in TOOLS
    generator = GENERATORS[master.design["generator"]]
    # What only a plan, the record or a person gives has no default.
    given: dict[str, Any] = {
        one.name: {"vector": [0, 0, 0], "text": "{}"}.get(one.kind, one.minimum)
        for one in generator.parameters
        if one.default is None and not one.optional
    }
    values = check_values(generator.parameters, {**given, **master.design["defaults"]})
    assert within_envelope(values, master.design["envelope"]) == ()
    for material in master.materials:
        assert covers(MATERIALS[material].contact_category, master.contact_category)


@pytest.mark.requirement("G-LBL-01")
@pytest.mark.parametrize(
    ("diagnostic", "notice", "lacking"),
    [
        (False, "Not a medical device. Not for implantation.", "not for diagnosis"),
        (False, "Not for implantation. Not for diagnosis.", "not a medical device"),
        (True, "Not a medical device. Not for diagnosis.", "not for implantation"),
    ],
)
def test_a_model_whose_label_does_not_say_what_it_is_not_is_refused(
    diagnostic: bool, notice: str, lacking: str
) -> None:
    base = MASTERS["anatomical_model"]
    changed = replace(
        base, label={"text": "Model", "notice": notice}, design={**base.design, "diagnostic_use": diagnostic}
    )
    with pytest.raises(InvalidInput, match=lacking):
        draft_master(definition=changed, actor=make_person(Role.DSN).actor)
    assert not DeviceMaster.objects.filter(code="anatomical_model").exists()


def test_a_stricter_contact_covers_a_milder_one() -> None:
    assert covers("tissue_bone_24h", "mucosa")
    assert not covers("mucosa", "tissue_bone_24h")
    assert not covers("unheard of", CONTACTS[0])
