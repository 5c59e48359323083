"""The rules of retention as data: boundary days, leap years, and a class for everything that is kept (K-15)."""

from datetime import date

import pytest

from mes.retention import CLASSES, EVERY_RECORD, KEPT, RULES, years_after
from mes.tables import ROOTS, TABLES

pytestmark = pytest.mark.requirement("K-15")


@pytest.mark.parametrize(
    ("rule", "trigger", "lifetime", "wanted"),
    [
        ("R-13485", date(2026, 11, 22), 10, date(2036, 11, 22)),
        ("R-13485", date(2026, 11, 22), 1, date(2028, 11, 22)),
        ("R-MDR-10", date(2026, 1, 31), 1, date(2036, 1, 31)),
        ("R-MDR-15", date(2024, 2, 29), 1, date(2039, 3, 1)),
        ("R-MDR-10", date(2022, 2, 28), 1, date(2032, 2, 28)),
        ("R-806", date(2026, 12, 31), 10, date(2038, 12, 31)),
        ("R-830", date(2026, 12, 31), 10, date(2029, 12, 31)),
        ("R-HIPAA-6Y", date(2026, 12, 31), 10, date(2032, 12, 31)),
        ("R-SEC", date(2026, 12, 31), 10, date(2028, 12, 31)),
        ("R-RT", date(2026, 12, 31), 1, date(2036, 12, 31)),
        ("R-821", date(2026, 12, 31), 10, None),
        ("R-AUD", date(2026, 12, 31), 10, None),
    ],
)
def test_each_rule_has_its_last_day(rule: str, trigger: date, lifetime: int, wanted: date | None) -> None:
    assert RULES[rule].until(trigger, lifetime) == wanted


def test_a_leap_day_is_never_a_day_too_early() -> None:
    assert years_after(date(2024, 2, 29), 4) == date(2028, 2, 29)
    assert years_after(date(2024, 2, 29), 2) == date(2026, 3, 1)


def test_every_root_has_a_class() -> None:
    assert [root for root in ROOTS if not root.startswith("rig.") and root not in CLASSES] == []


def test_every_other_table_of_the_record_is_kept_with_one() -> None:
    held = [
        name
        for name, table in TABLES.items()
        if not name.startswith("rig_") and table.kind in ("record", "working") and not table.root
    ]
    assert [name for name in held if name not in KEPT] == []
    assert {kept.root for kept in KEPT.values()} <= {*CLASSES, EVERY_RECORD}


def test_what_may_be_destroyed_is_listed() -> None:
    assert {found.root for found in CLASSES.values() if found.disposable} == {
        "devices.device", "devices.order", "printing.build", "printing.lot",
    }  # fmt: skip
