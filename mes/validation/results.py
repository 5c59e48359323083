"""What the test run says of each rule, read from the report that pytest writes (JUnit XML with the rules as properties)."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

PROPERTY, SOFTWARE = "requirement", "software"
LONGEST_AGO = timedelta(days=1)
PARTS = ("mes", "devices", "printing", "quality", "templates", "tests")
SUFFIXES = frozenset({".py", ".html", ".js", ".css", ".sql", ".txt"})


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
    """One run of the tests: when it was, of which software, all results, and those that show each rule."""

    __test__ = False

    started: str
    tests: tuple[TestResult, ...]
    by_requirement: Mapping[str, tuple[TestResult, ...]]
    software: str = ""

    @property
    def failed(self) -> int:
        return sum(test.outcome in ("failed", "error") for test in self.tests)


def read_results(report: Path) -> TestRun:
    """Raises NoResults where the report cannot be read, and where no test ran."""
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
    if all(result.outcome == "skipped" for result in tests):
        raise NoResults(f"{report}: no test ran. Run them again: make validation.")
    property = suite.find(f"properties/property[@name='{SOFTWARE}']")
    return TestRun(
        _started(suite),
        tuple(tests),
        {id: tuple(results) for id, results in found.items()},
        "" if property is None else property.get("value", ""),
    )


def software_digest(root: Path) -> str:
    """SHA-256 over the path and content of every file of the software and of its tests below a folder."""
    digest = sha256()
    files = (path for part in PARTS for path in (root / part).rglob("*") if path.suffix in SUFFIXES)
    for path in sorted(file for file in files if file.is_file()):
        digest.update(f"{path.relative_to(root)}\0{sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def require_current(run: TestRun, *, root: Path, now: datetime) -> None:
    """Results are evidence of the very software that was tested, and while its installation is as it was (11.10(a)).

    Raises NoResults for those of other software, of none that is named, older than a day, or of a time to come.
    """
    if run.software != software_digest(root):
        of = f"software {run.software[:12]}" if run.software else "no software that is named"
        raise NoResults(
            f"The results are of {of}; this is {software_digest(root)[:12]}. Run the tests again: make validation."
        )
    started = datetime.fromisoformat(run.started)
    started = started if started.tzinfo else started.replace(tzinfo=UTC)
    if not now - LONGEST_AGO <= started <= now:
        raise NoResults(
            f"The results are of {run.started}, and not of the last day. Run the tests again: make validation."
        )


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
