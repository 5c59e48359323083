"""What a label carries, in the two agencies' languages, and what a master may plan (K-09, K-10, K-12)."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from mes.exceptions import InvalidInput
from printing.choices import Precision
from quality.catalog import gs1, hibc
from quality.catalog.packaging import last_day, read_packaging

MADE, USE_BY = date(2026, 11, 22), date(2027, 5, 22)
pytestmark = pytest.mark.requirement("K-12")


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("09521141000175", True),
        ("09521141000182", True),
        ("19521141000172", True),
        ("51022222233336", True),
        ("09506000134352", True),
        ("10614141000415", True),
        ("09521141000170", False),
        ("9521141000175", False),
        ("0952114100017A", False),
    ],
)
def test_the_check_digit_of_a_gtin(text: str, right: bool) -> None:
    assert gs1.is_gtin(text) is right


def test_a_gs1_label_as_the_standard_writes_it() -> None:
    parts = gs1.elements("09521141000175", produced=MADE, use_by=USE_BY, lot="L260417A", serial="S0000123")
    assert gs1.encoded(parts) == "0109521141000175112611221727052210L260417A\x1d21S0000123"
    assert gs1.readable(parts) == "(01)09521141000175(11)261122(17)270522(10)L260417A(21)S0000123"
    assert gs1.scanned_text(f"]d2{gs1.encoded(parts)}\x1d") == gs1.encoded(parts)


@pytest.mark.requirement("K-09")
@pytest.mark.parametrize("number", ["L" * 19, "low", "A/1", "A B"])
def test_a_number_that_no_carrier_takes_is_refused(number: str) -> None:
    with pytest.raises(InvalidInput):
        gs1.elements("09521141000175", produced=None, use_by=None, lot=number)
    with pytest.raises(InvalidInput):
        hibc.encoded("A999PSGUIDE0", produced=None, use_by=None, serial=number)


@pytest.mark.parametrize(
    ("text", "check"), [("+A123BJC5D6E71", "G"), ("+A99912345/$$52001510X3", "3"), ("+A999PSGUIDE0", "7")]
)
def test_the_check_character_of_hibc(text: str, check: str) -> None:
    assert hibc.check_character(text) == check


def test_a_hibc_label_holds_one_check_character_at_its_end() -> None:
    label = hibc.encoded("A999PSGUIDE0", produced=MADE, use_by=USE_BY, lot="L260417A")
    assert label[:-1] == "+A999PSGUIDE0/$$3270522L260417A/16D20261122"
    assert label[-1] == hibc.check_character(label[:-1])
    assert "/$$+7S0000123" in hibc.encoded("A999PSGUIDE0", produced=None, use_by=None, serial="S0000123")


@pytest.mark.requirement("K-10")
def test_a_month_means_its_last_day_and_never_passes_the_limit() -> None:
    assert last_day(date(2027, 5, 22), Precision.DAY) == date(2027, 5, 22)
    assert last_day(date(2027, 5, 22), Precision.MONTH) == date(2027, 4, 30)
    assert last_day(date(2027, 5, 31), Precision.MONTH) == date(2027, 5, 31)
    assert last_day(date(2027, 1, 3), Precision.MONTH) == date(2026, 12, 31)


GOOD: dict[str, Any] = {"scheme": "gs1", "levels": {"carton": {"di": "19521141000172"}}}


def test_a_master_without_packaging_and_with_one() -> None:
    assert read_packaging({}) is None
    plan = read_packaging(GOOD)
    assert plan is not None
    assert (plan.outermost, plan.precision, plan.shelf_life_days) == ("carton", "day", None)


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"scheme": "gs1"}, "no levels"),
        (GOOD | {"scheme": "own"}, "scheme is none of"),
        (GOOD | {"levels": {}}, "levels are not of"),
        (GOOD | {"levels": {"pallet": {}}}, "levels are not of"),
        (GOOD | {"levels": {"carton": "x"}}, "is no mapping"),
        (GOOD | {"levels": {"carton": {"di": "09521141000170"}}}, "not one of the scheme"),
        (GOOD | {"levels": {"each": {"di": "19521141000172"}} | GOOD["levels"]}, "830.50"),
        (
            GOOD | {"levels": {"pouch": {"di": "09521141000175", "sterile_barrier": True}} | GOOD["levels"]},
            "sterile barrier",
        ),
        (GOOD | {"levels": {"pouch": {"sterile_barrier": True}}}, "lies in a package"),
        ({"scheme": "internal", "levels": {"carton": {"di": "X"}}}, "not one of the scheme"),
        (GOOD | {"shelf_life_days": 0}, "shelf life"),
        (GOOD | {"use_by_precision": "year"}, "precision"),
    ],
)
def test_a_packaging_that_no_label_could_carry_is_refused(section: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        read_packaging(section)
