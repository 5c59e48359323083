"""Two identifiers, compared normalised, and never printed (G-ORD-05)."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from devices.imaging.base import PatientIdentifiers
from devices.services.identity import compared
from mes.services.patients import Identity

OURS = Identity("LM-0815", "Müller-Strauß", "Erika", "1964-08-12")

pytestmark = pytest.mark.requirement("G-ORD-05")


def images(**fields: Any) -> PatientIdentifiers:
    return PatientIdentifiers(**fields)


@pytest.mark.parametrize(
    "theirs",
    [
        {"patient_id": "LM-0815", "birth_date": date(1964, 8, 12)},
        {"patient_id": " lm-0815 ", "family_name": "MULLER STRAUSS"},
        {"patient_id": "LM-0815", "family_name": "Müller-Strauß", "birth_date": date(1964, 8, 12)},
    ],
)
def test_the_number_and_one_more_that_agree_are_a_match(theirs: dict[str, Any]) -> None:
    assert compared(OURS, images(**theirs)).holds


@pytest.mark.parametrize(
    ("theirs", "differing"),
    [
        ({"patient_id": "LM-0816", "birth_date": date(1964, 8, 12)}, ("patient_id",)),
        ({"patient_id": "LM-0815", "birth_date": date(1964, 12, 8)}, ("birth_date",)),
        (
            {"patient_id": "LM-0815", "family_name": "Meier", "birth_date": date(1964, 8, 12)},
            ("family_name",),
        ),
        ({"patient_id": "LM-0815"}, ()),
        ({"family_name": "Müller-Strauß", "birth_date": date(1964, 8, 12)}, ()),
        ({"patient_id": "  ", "family_name": ""}, ()),
    ],
)
def test_anything_less_is_none(theirs: dict[str, Any], differing: tuple[str, ...]) -> None:
    match = compared(OURS, images(**theirs))
    assert not match.holds
    assert match.differing == differing


def test_images_without_identifiers_are_told_from_images_with_wrong_ones() -> None:
    assert not compared(OURS, images()).present
    assert compared(OURS, images(family_name="Meier")).present


def test_a_match_holds_names_of_identifiers_and_no_values() -> None:
    said = repr(compared(OURS, images(patient_id="LM-0815", family_name="Meier")))
    assert "LM-0815" not in said
    assert "Meier" not in said
