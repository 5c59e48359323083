"""Letters that can be engraved: of one width, one height, each unlike every other."""

from __future__ import annotations

import pytest

from devices.generators.base import DesignRefused
from devices.generators.lettering import STROKES, lettering

DRAWN = sorted(sign for sign in STROKES if sign != " ")


def test_every_sign_is_a_shape_of_its_own() -> None:
    found = [lettering(sign, 6.0).outline for sign in DRAWN]
    for number, one in enumerate(found):
        assert one.area() > 0.0
        for other in found[:number]:
            assert (one - other).area() + (other - one).area() > 0.3


@pytest.mark.parametrize("height_mm", [2.0, 5.0, 12.0])
def test_a_code_stands_about_its_middle_in_the_size_that_was_asked(height_mm: float) -> None:
    code = lettering("D0000815", height_mm)
    left, low, right, high = code.outline.bounds()
    assert high - low == pytest.approx(height_mm, abs=1e-6)
    assert right - left == pytest.approx(code.width_mm, abs=1e-6)
    assert (left + right, low + high) == pytest.approx((0.0, 0.0), abs=1e-6)
    assert code.stroke_mm == pytest.approx(0.14 * height_mm)


def test_a_closed_letter_keeps_its_inside_open() -> None:
    zero, stroke = lettering("O", 10.0).outline, lettering("O", 10.0).stroke_mm
    assert zero.to_polygons()[0].shape[1] == 2
    assert len(zero.to_polygons()) == 2
    assert stroke < zero.area() / 10.0 < 4.0 * stroke


@pytest.mark.requirement("G-DES-01")
@pytest.mark.parametrize("text", ["Erika", "D1\n2", "Ä", "", "  "])
def test_what_has_no_letter_is_refused(text: str) -> None:
    with pytest.raises(DesignRefused, match="cannot be engraved") as refusal:
        lettering(text, 6.0)
    assert refusal.value.reasons[0].cure
