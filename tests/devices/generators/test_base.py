"""Values in, every complaint out: the front door of every generator."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.generators.base import (
    CASE_CODE,
    GENERATORS,
    DesignRefused,
    Parameter,
    check_values,
    shown_beside,
    within_envelope,
)
from devices.generators.bone_guide import PARAMETERS, BoneGuide

SIZE = Parameter("size_mm", "mm", "Size", "number", 1.0, 10.0, 4.0, "")
PLACE = Parameter("place_mm", "mm", "Place", "vector", -50.0, 50.0, None, "")
COUNT = Parameter("count", "", "Count", "integer", 1, 5, 2, "")
ALL = (SIZE, PLACE, COUNT)


def test_values_become_canonical_and_defaults_are_filled_in() -> None:
    assert check_values(ALL, {"place_mm": [1, 2.5, -0.0], "count": 3.0}) == {
        "size_mm": 4.0,
        "place_mm": (1.0, 2.5, 0.0),
        "count": 3,
    }


@pytest.mark.requirement("G-DES-01")
@pytest.mark.parametrize(
    "value",
    [
        None,
        "5",
        b"5",
        True,
        math.nan,
        math.inf,
        -math.inf,
        0.99,
        10.01,
        10**400,
        [5.0],
        (1.0, 2.0, 3.0),
        {},
        object(),
    ],
)
def test_what_is_no_number_within_limits_is_refused(value: object) -> None:
    with pytest.raises(DesignRefused, match="size_mm") as refusal:
        check_values(ALL, {"size_mm": value, "place_mm": (0, 0, 0)})
    assert refusal.value.reasons[0].cure
    assert refusal.value.reasons[0].rule == "G-DES-01"


@pytest.mark.parametrize("value", [1.5, math.nan, 0, 6, "2"])
def test_an_integer_is_a_whole_number_within_limits(value: object) -> None:
    with pytest.raises(DesignRefused, match="count"):
        check_values(ALL, {"count": value, "place_mm": (0, 0, 0)})


@pytest.mark.parametrize(
    "value", [(1, 2), (1, 2, 3, 4), "123", (1, 2, math.nan), (1, 2, 51), ("1", 2, 3), 7, [[1], 2, 3]]
)
def test_a_vector_is_three_numbers_within_limits(value: object) -> None:
    with pytest.raises(DesignRefused, match="place_mm"):
        check_values(ALL, {"place_mm": value})


@pytest.mark.requirement("G-DES-01")
def test_every_reason_comes_at_once() -> None:
    with pytest.raises(DesignRefused) as refusal:
        check_values(ALL, {"size_mm": 99.0, "count": math.nan, "colour": 1, "__class__": 2})
    assert [reason.text for reason in refusal.value.reasons] == [
        "'colour' is no parameter of this design.",
        "'__class__' is no parameter of this design.",
        "size_mm is 99.",
        "place_mm is missing.",
        "count is not a finite integer.",
    ]


@pytest.mark.requirement("G-DES-01")
def test_an_envelope_names_every_violation() -> None:
    values = check_values(ALL, {"size_mm": 9.0, "place_mm": (0.0, 30.0, 0.0), "count": 2})
    assert within_envelope(values, {"size_mm": (1.0, 9.0), "count": (2, 2)}) == ()
    found = within_envelope(values, {"size_mm": (2.0, 8.0), "place_mm": (-20.0, 20.0), "gone_mm": (0.0, 1.0)})
    assert [reason.text for reason in found] == [
        "gone_mm is missing; the device master allows 0 to 1.",
        "place_mm is (0, 30, 0); the device master allows -20 to 20.",
        "size_mm is 9; the device master allows 2 to 8.",
    ]
    assert all(reason.rule == "G-DES-01" and reason.cure for reason in found)


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_a_number_is_taken_exactly_when_it_is_within_limits(value: float) -> None:
    if 1.0 <= value <= 10.0:
        assert check_values((SIZE,), {"size_mm": value}) == {"size_mm": value}
    else:
        with pytest.raises(DesignRefused):
            check_values((SIZE,), {"size_mm": value})


def test_the_guide_is_registered_and_its_defaults_are_within_its_limits() -> None:
    generator = GENERATORS["bone_guide"]
    assert isinstance(generator, BoneGuide)
    assert generator.validation_status == "research_only"
    checked = check_values(PARAMETERS, {"landmark_mm": (0.0, 0.0, 0.0)})
    assert len(checked) == len(PARAMETERS)
    assert all(parameter.title and parameter.help for parameter in PARAMETERS)


@pytest.mark.requirement("G-DES-01")
@pytest.mark.parametrize("value", [None, 815, b"D0000815", "", "D" * 25])
def test_a_text_is_a_text_of_its_length(value: object) -> None:
    assert check_values((CASE_CODE,), {"case_code": "D0000815"}) == {"case_code": "D0000815"}
    with pytest.raises(DesignRefused, match="case_code"):
        check_values((CASE_CODE,), {"case_code": value})


def test_no_envelope_is_wide_enough_for_a_text() -> None:
    assert within_envelope({"case_code": "D0000815"}, {"case_code": (0.0, 99.0)})


def test_a_number_shows_on_which_side_of_its_limits_it_lies() -> None:
    (found,) = within_envelope({"size_mm": 6.0000001}, {"size_mm": (2.0, 6.0)})
    assert found.text == "size_mm is 6.0000001; the device master allows 2 to 6."
    assert shown_beside(120.4, None, 120.3, digits=3) == "120.4"
    assert shown_beside(6.0, 2.0, 6.0) == "6"
    assert float(shown_beside(math.nextafter(6.0, 7.0), 2.0, 6.0)) > 6.0
