"""The pages that describe what is registered name all of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings

from devices.catalog.base import MASTERS, MATERIALS
from devices.generators.base import GENERATORS
from devices.lifecycle import DEVICE, ORDER, PHASES
from devices.planning.base import PLAN_KINDS
from devices.planning.instruments import SLEEVES
from devices.segmentation.base import TOOLS
from devices.segmentation.operations.base import OPERATIONS, Operation, Parameter
from devices.segmentation.operations.preset import WINDOWS_HU
from mes.lifecycle import Lifecycle

DOCS = Path(settings.BASE_DIR) / "docs"


@pytest.mark.parametrize("lifecycle", [DEVICE, ORDER], ids=lambda lifecycle: lifecycle.kind)
def test_the_lifecycle_page_has_every_row_and_no_other(lifecycle: Lifecycle) -> None:
    page = (DOCS / "lifecycle.md").read_text()
    section = page.partition(f"## {lifecycle.kind.title()}\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    assert rows == [
        f"| `{row.name}` | {row.source} | {row.target} | {row.trigger} | {row.meaning.name if row.meaning else '–'} |"
        for row in lifecycle.table
    ]


def test_the_lifecycle_page_has_every_phase() -> None:
    page = (DOCS / "lifecycle.md").read_text()
    for stage, phase in PHASES.items():
        assert f"| {stage} | {phase} |" in page


def test_the_device_types_page_names_everything_that_is_registered() -> None:
    page = (DOCS / "device-types.md").read_text()
    rows = {line.split("`")[1] for line in page.splitlines() if line.startswith("| `")}
    assert rows >= {*MASTERS, *MATERIALS, *GENERATORS, *TOOLS, *PLAN_KINDS, *SLEEVES}


def _said(parameter: Parameter) -> str:
    low, high = (f"{limit:g}" for limit in parameter.limits)
    words = {
        "number": f"{low} to {high} {parameter.unit}".strip(),
        "count": f"{low} to {high}",
        "choice": ", ".join(parameter.choices),
        "points": f"{low} point{'s' if low != '1' else ''}" if low == high else f"{low} to {high} points",
        "direction": "direction",
    }
    return f"`{parameter.name}`: {words[parameter.kind]}"


def _row(name: str, kind: type[Operation]) -> str:
    parameters = "; ".join(_said(parameter) for parameter in kind.declared())
    return f"| `{name}` {kind.version} | {kind.does()} | {parameters} | {'yes' if kind.invents else 'no'} |"


def test_the_table_of_operations_is_the_registry() -> None:
    lines = (DOCS / "device-types.md").read_text().splitlines()
    start = lines.index("| operation | what it does | parameters | invents |") + 2
    assert lines[start : lines.index("", start)] == [_row(name, kind) for name, kind in OPERATIONS.items()]
    for tissue, (low, high) in WINDOWS_HU.items():
        assert any(
            line.startswith(f"| {tissue}") and line.endswith(f"| {low:g} to {high:g} |") for line in lines
        )
