"""Rules, the tests that carry their ids, and what the report says of both (11.10(a))."""

import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings

from mes.validation.matrix import Standing, as_csv, matrix, unknown_ids
from mes.validation.requirements import Requirement, requirements
from mes.validation.results import NoResults, read_results, require_current, software_digest

pytestmark = pytest.mark.requirement("P11-10a")

WHEN = 'timestamp="2026-11-22T10:00:00.5+00:00"'
REPORT = """<?xml version="1.0"?><testsuites><testsuite name="pytest" timestamp="2026-11-22T10:00:00.5+00:00">
<testcase classname="tests.a" name="good"><properties><property name="requirement" value="ES-01"/></properties></testcase>
<testcase classname="tests.a" name="bad"><properties><property name="requirement" value="ES-02"/>
<property name="requirement" value="ES-01x"/></properties><failure message="no&#10;more">…</failure></testcase>
<testcase classname="tests.a" name="idle"><properties><property name="requirement" value="ES-03"/></properties>
<skipped message="no browser"/></testcase></testsuite></testsuites>"""
RULES = (
    Requirement("ES-01", "one"),
    Requirement("ES-02", "two"),
    Requirement("ES-03", "three"),
    Requirement("ES-04", "four"),
    Requirement("ES-05", "five", procedural="people do it"),
    Requirement("ES-06", "six", later="not yet"),
)


MARKED = re.compile(r"mark\.requirement\(([^)]*)\)")


def test_every_rule_that_a_test_names_is_a_rule() -> None:
    """A misspelt id shows nothing, and the evidence would be refused for it."""
    known = {rule.id for rule in requirements()}
    named = {
        (str(path), id)
        for path in Path(settings.BASE_DIR, "tests").rglob("*.py")
        for ids in MARKED.findall(path.read_text())
        for id in re.findall(r'"([^"]+)"', ids)
    }
    assert len(named) > 100
    assert {(path, id) for path, id in named if id not in known} == set()


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "tests.xml"
    path.write_text(REPORT)
    return path


def test_each_rule_stands_as_its_tests_ended(report: Path) -> None:
    rows = matrix(RULES, read_results(report))
    assert [row.standing for row in rows] == [
        Standing.SHOWN, Standing.FAILED, Standing.NOT_RUN, Standing.NOT_TESTED, Standing.PROCEDURAL, Standing.NOT_BUILT,
    ]  # fmt: skip
    assert [row.is_right for row in rows] == [True, False, False, False, True, False]


def test_a_rule_whose_test_fails_is_not_shown_by_another_that_passes(report: Path) -> None:
    report.write_text(REPORT.replace("ES-02", "ES-01"))
    assert matrix(RULES, read_results(report))[0].standing == Standing.FAILED


def test_results_are_of_this_software_and_of_the_last_day(report: Path, tmp_path: Path) -> None:
    (tmp_path / "mes").mkdir()
    source = tmp_path / "mes" / "gates.py"
    source.write_text("CLOSED = True")
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    with pytest.raises(NoResults, match="no software that is named"):
        require_current(read_results(report), root=tmp_path, now=now)
    name = f'<properties><property name="software" value="{software_digest(tmp_path)}"/></properties>'
    report.write_text(REPORT.replace('00:00">', f'00:00">{name}'))
    run = read_results(report)
    require_current(run, root=tmp_path, now=now)
    for wrong in (now + timedelta(days=2), now - timedelta(days=1)):
        with pytest.raises(NoResults, match="not of the last day"):
            require_current(run, root=tmp_path, now=wrong)
    source.write_text("CLOSED = False")
    with pytest.raises(NoResults, match="The results are of software"):
        require_current(run, root=tmp_path, now=now)


def test_an_id_that_no_rule_has_is_named(report: Path) -> None:
    assert unknown_ids(RULES, read_results(report)) == ("ES-01x",)


def test_the_sheet_has_a_line_for_each_rule_and_test(report: Path) -> None:
    lines = as_csv(matrix(RULES, read_results(report))).splitlines()
    assert lines[1] == "ES-01,one,,shown,tests.a::good,passed,"
    assert lines[5] == "ES-05,five,,procedural,,,people do it"
    assert len(lines) == 1 + len(RULES)


NONE_RAN = f"<testsuites><testsuite {WHEN}/></testsuites>"
SKIPPED = (
    f'<testsuites><testsuite {WHEN}><testcase name="idle"><skipped/></testcase></testsuite></testsuites>'
)


@pytest.mark.parametrize("content", ["", "<x", "<testsuites/>", NONE_RAN, SKIPPED])
def test_no_report_is_no_evidence(tmp_path: Path, content: str) -> None:
    path = tmp_path / "tests.xml"
    with pytest.raises(NoResults):
        read_results(path)
    path.write_text(content)
    with pytest.raises(NoResults):
        read_results(path)


@pytest.mark.parametrize(("ended", "written"), [(0, True), (1, True), (4, False), (5, False)])
def test_results_of_before_are_no_evidence_of_tests_that_did_not_run(
    tmp_path: Path, ended: int, written: bool
) -> None:
    """Also where something went wrong before the first test."""
    old = tmp_path / "var" / "validation" / "tests.xml"
    old.parent.mkdir(parents=True)
    old.write_text(REPORT)
    tool = tmp_path / "tool"
    tool.write_text(f"#!/bin/sh\ncase $1 in -m) exit {ended};; manage.py) touch evidence;; esac\n")
    tool.chmod(0o755)
    makefile = settings.BASE_DIR / "Makefile"
    words = ["make", "-C", str(tmp_path), "-f", str(makefile), "validation", "PYTHON=true", f"RUN={tool}"]
    made = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ((tmp_path / "evidence").exists(), made.returncode == 0) == (written, written), made.stderr
    assert ("The tests did not run" in made.stdout) is not written
    assert not old.exists()


def test_ids_are_unique_and_every_family_is_whole() -> None:
    ids = [rule.id for rule in requirements()]
    assert len(ids) == len(set(ids))
    assert {f"K-{n:02d}" for n in range(1, 16)} | {f"ES-{n:02d}" for n in range(1, 22)} <= set(ids)
    assert sum(id.startswith("P11-") for id in ids) == 30
