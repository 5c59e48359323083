"""What the demo's operator does where a start is uncertain."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from mes.demo import people
from mes.demo.production import finished
from mes.demo.teller import Teller
from mes.eventlog.base import Actor
from printing.choices import CommandState, JobState
from printing.models import PrinterCommand
from printing.services.fleet.connections import simulate_fault
from printing.services.jobs import start_job
from tests.patience import PATIENCE_S
from tests.printing.conftest import Running, fleet, machines, until
from tests.printing.makers import Floor
from tests.printing.test_fleet import commands_done

__all__ = ["fleet", "machines"]
TESTER = Actor.system("test")


@pytest.fixture
def floor(committed_db: None) -> Floor:
    people.enrol()
    floor = Floor()
    floor.printer.connection = {"speed": 400.0}
    floor.printer.save(update_fields=["connection"])
    return floor


@pytest.mark.parametrize(
    ("fault", "starts", "said"), [("lost_ack", 1, "it runs our print"), ("lost_command", 2, "it stands idle")]
)
def test_the_operator_looks_and_decides(
    floor: Floor, fleet: Running, machines: Path, fault: str, starts: int, said: str
) -> None:
    out = io.StringIO()
    teller = Teller(out)
    simulate_fault(printer_id=floor.printer.pk, fault=fault, actor=TESTER)
    with fleet():
        job = floor.dispatch()
        command = start_job(job_id=job.pk, actor=floor.operator)
        until(lambda: bool(PrinterCommand.objects.get(pk=command.pk).evidence), PATIENCE_S)
        assert PrinterCommand.objects.get(pk=command.pk).state == CommandState.UNCERTAIN
        simulate_fault(printer_id=floor.printer.pk, fault="", actor=TESTER)
        until(lambda: finished(teller, job.pk) is not None, PATIENCE_S)
    job.refresh_from_db()
    assert job.state == JobState.FINISHED
    assert said in out.getvalue()
    assert PrinterCommand.objects.filter(kind="start").count() == starts
    assert commands_done(machines, floor.printer) == ["start"]
