"""The questions to an installation, asked of the tests' own database."""

from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from mes.lifecycle import GATES, Gate, passed
from mes.validation import installation
from mes.validation.installation import Check, qualify
from mes.validation.report import write_evidence
from mes.validation.results import TestRun

pytestmark = [pytest.mark.django_db, pytest.mark.requirement("P11-10a")]


def answer(question: Callable[[], installation.Answer]) -> str:
    found, right = question()
    return "" if right else found


def test_the_installation_answers_as_expected() -> None:
    # The tests' database is disposable, so it does not keep what it confirms; and that is found.
    wrong = {check.question for check in qualify() if not check.passed}
    assert wrong == {"Does the database keep what it confirms?"}


def test_a_question_that_cannot_be_answered_is_not_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "_QUESTIONS", [("IQ", "Is it?", "yes", lambda: 1 / 0)])
    assert [
        (check.passed, check.found.startswith("could not be answered: ZeroDivisionError"))
        for check in qualify()
    ] == [(False, True)]


def test_a_package_of_another_version_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    other = SimpleNamespace(name="Django", version="0.1")
    monkeypatch.setattr(metadata, "distributions", lambda: [other])
    found = answer(installation.packages_are_locked)
    assert "django 0.1, not ==5.2" in found
    assert "numpy is missing" in found


def test_a_key_that_others_may_read_is_named(tmp_path: Path, settings: Any) -> None:
    (tmp_path / "vault.key").touch(mode=0o640)
    settings.KEYS_DIR = tmp_path
    assert answer(installation.keys_are_private) == "vault.key"


def test_a_gate_that_passes_nothing_is_named() -> None:
    GATES.add("G-TEST-01:open", Gate("G-TEST-01", "Open", ("test.go",), lambda _: passed()))
    try:
        assert answer(installation.gates_fail_closed) == "G-TEST-01"
    finally:
        del GATES._things["G-TEST-01:open"]


def test_the_reports_are_written_whole(tmp_path: Path) -> None:
    evidence = write_evidence(TestRun("2026-11-22T10:00:00+00:00", (), {}), tmp_path / "out")
    assert not evidence.is_right  # no rule is shown by no test
    page = (tmp_path / "out" / "matrix.html").read_text()
    assert all(row.requirement.id in page for row in evidence.rows)
    assert evidence.checks[0].question in (tmp_path / "out" / "qualification.html").read_text()
    assert (tmp_path / "out" / "matrix.csv").read_text().count("\n") == len(evidence.rows) + 1


def test_nothing_is_left_behind_by_the_questions() -> None:
    def state() -> list[tuple[object, ...]]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_current_xact_id_if_assigned(), (SELECT count(*) FROM mes_event)")
            found: list[tuple[object, ...]] = cursor.fetchall()
            return found

    before = state()
    assert all(isinstance(check, Check) for check in qualify())
    assert state()[0][1] == before[0][1]
    assert settings.KEYS_DIR.is_dir()
