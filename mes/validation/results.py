"""What the test run says of each rule, read from the report that pytest writes (JUnit XML with the rules as properties)."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

PROPERTY = "requirement"


class NoResults(ValueError):
    """There is no report, or it is not one of pytest."""


@dataclass(frozen=True)
class TestResult:
    """One test and how it ended: passed, failed, error or skipped. `reason` is why it was skipped."""

    __test__ = False  # not a test itself, whatever pytest thinks of its name

    name: str
    outcome: str
    reason: str = ""


@dataclass(frozen=True)
class TestRun:
    """One run of the tests: when it was, all results, and those that show each rule."""

    __test__ = False

    started: str
    tests: tuple[TestResult, ...]
    by_requirement: Mapping[str, tuple[TestResult, ...]]

    @property
    def failed(self) -> int:
        return sum(test.outcome in ("failed", "error") for test in self.tests)


def read_results(report: Path) -> TestRun:
    """Raises NoResults where the report cannot be read."""
    try:
        suite = ET.parse(report).getroot().find("testsuite")  # noqa: S314 - our own test run's report
    except (OSError, ET.ParseError) as failure:
        raise NoResults(f"{report}: {type(failure).__name__}") from None
    if suite is None:
        raise NoResults(f"{report} holds no test suite")
    tests: list[TestResult] = []
    found: dict[str, list[TestResult]] = defaultdict(list)
    for case in suite.iter("testcase"):
        result = _result(case)
        tests.append(result)
        for known in case.iterfind(f"properties/property[@name='{PROPERTY}']"):
            found[known.get("value", "")].append(result)
    return TestRun(_started(suite), tuple(tests), {id: tuple(results) for id, results in found.items()})


def _result(case: ET.Element) -> TestResult:
    name = f"{case.get('classname', '')}::{case.get('name', '')}"
    for outcome, tag in (("failed", "failure"), ("error", "error"), ("skipped", "skipped")):
        if (said := case.find(tag)) is not None:
            return TestResult(
                name, outcome, (said.get("message") or "").splitlines()[0] if said.get("message") else ""
            )
    return TestResult(name, "passed")


def _started(suite: ET.Element) -> str:
    return datetime.fromisoformat(suite.get("timestamp", "")).isoformat(timespec="seconds")
