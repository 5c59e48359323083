"""The reports as files: matrix.html, matrix.csv and qualification.html."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from django.template.loader import render_to_string
from django.utils import timezone

from mes.validation.installation import Check, facts, qualify
from mes.validation.matrix import Row, Standing, as_csv, matrix, unknown_ids
from mes.validation.requirements import requirements
from mes.validation.results import TestRun


@dataclass(frozen=True)
class Evidence:
    """Everything that was written, and where."""

    out: Path
    run: TestRun
    rows: tuple[Row, ...]
    unknown: tuple[str, ...]
    checks: tuple[Check, ...]

    @property
    def is_right(self) -> bool:
        """A rule that is openly not built does not fail the evidence: the matrix says so."""
        wrong = {Standing.FAILED, Standing.NOT_RUN, Standing.NOT_TESTED}
        return not (
            self.run.failed
            or self.unknown
            or any(row.standing in wrong for row in self.rows)
            or any(not check.passed for check in self.checks)
        )

    @property
    def summary(self) -> tuple[str, ...]:
        standings = Counter(row.standing for row in self.rows)
        counted = ", ".join(
            f"{standings[standing]} {standing}" for standing in Standing if standings[standing]
        )
        failed = [check for check in self.checks if not check.passed]
        return (
            f"{len(self.run.tests)} tests, {self.run.failed} failed; {len(self.rows)} rules: {counted}",
            *(
                f"  {row.requirement.id} is {row.standing}: {row.requirement.title}"
                for row in self.rows
                if not row.is_right
            ),
            *(f"  no rule has the id {id}, which a test carries" for id in self.unknown),
            f"{len(self.checks)} questions to the installation, {len(failed)} not as expected",
            *(f"  {check.id}: {check.question} {check.found}" for check in failed),
            f"Written to {self.out}: matrix.html, matrix.csv, qualification.html",
        )


def write_evidence(run: TestRun, out: Path) -> Evidence:
    """Ask the installation, and write all three files. The database must answer."""
    rules = requirements()
    evidence = Evidence(out, run, matrix(rules, run), unknown_ids(rules, run), qualify())
    out.mkdir(parents=True, exist_ok=True)
    context = {"evidence": evidence, "facts": facts(), "written": timezone.now()}
    for name in ("matrix.html", "qualification.html"):
        (out / name).write_text(render_to_string(f"mes/validation/{name}", context), encoding="utf-8")
    (out / "matrix.csv").write_text(as_csv(evidence.rows), encoding="utf-8", newline="")
    return evidence
