"""The traceability matrix: each rule, the tests that show it, and how they ended."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from mes.validation.requirements import Requirement
from mes.validation.results import TestResult, TestRun


class Standing(StrEnum):
    """What the evidence says of a rule. Only the first two are right."""

    SHOWN = "shown"
    PROCEDURAL = "procedural"
    NOT_BUILT = "not built"
    FAILED = "failed"
    NOT_RUN = "not run"
    NOT_TESTED = "not tested"


@dataclass(frozen=True)
class Row:
    requirement: Requirement
    tests: tuple[TestResult, ...]

    @property
    def standing(self) -> Standing:
        outcomes = {test.outcome for test in self.tests}
        if outcomes & {"failed", "error"}:
            return Standing.FAILED
        if "passed" in outcomes:
            return Standing.SHOWN
        if outcomes:
            return Standing.NOT_RUN
        if self.requirement.procedural:
            return Standing.PROCEDURAL
        return Standing.NOT_BUILT if self.requirement.later else Standing.NOT_TESTED

    @property
    def reason(self) -> str:
        return self.requirement.procedural or self.requirement.later

    @property
    def is_right(self) -> bool:
        return self.standing in (Standing.SHOWN, Standing.PROCEDURAL)


def matrix(requirements: Sequence[Requirement], run: TestRun) -> tuple[Row, ...]:
    return tuple(Row(rule, run.by_requirement.get(rule.id, ())) for rule in requirements)


def unknown_ids(requirements: Sequence[Requirement], run: TestRun) -> tuple[str, ...]:
    """Ids that tests carry and no rule has: a test that shows nothing."""
    return tuple(sorted(set(run.by_requirement) - {rule.id for rule in requirements}))


def as_csv(rows: Sequence[Row]) -> str:
    """One line for each rule and test; a rule without a test has one line."""
    sheet = io.StringIO()
    write = csv.writer(sheet)
    write.writerow(("requirement", "title", "source", "standing", "test", "result", "reason"))
    for row in rows:
        head = (row.requirement.id, row.requirement.title, row.requirement.source, row.standing.value)
        for test in row.tests or (None,):
            write.writerow((*head, test.name if test else "", test.outcome if test else "", row.reason))
    return sheet.getvalue()
