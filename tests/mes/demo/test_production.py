"""What the demo's operator does where a start is uncertain."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import transaction
from django.utils import timezone

from mes.choices import Role
from mes.demo import people, plant
from mes.demo.production import finished
from mes.demo.teller import StoryBroken, Teller
from mes.eventlog.base import Actor
from mes.models import SignatureWithdrawal
from printing.choices import CommandState, JobState
from printing.models import ParameterSet, Printer, PrinterCommand
from printing.selectors.qualification import qualification_signatures
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


@pytest.mark.requirement("G-SOD-01")
def test_whoever_accepts_an_interruption_leaves_somebody_to_review_the_record() -> None:
    assert len([job for job in people.STAFF if Role.QAR in job.roles]) == 2


def test_the_demo_prints_with_what_its_printers_are_qualified_for(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody defined a second set meanwhile, and approved a third: the demo is not confused, and says where it cannot go on."""
    people.enrol()
    floor = Floor()
    monkeypatch.setattr(plant, "KIND", floor.printer.kind)
    monkeypatch.setattr(plant, "MATERIAL", floor.parameters.material.code)
    for name in ("a draft", "another"):
        ParameterSet.objects.create(
            name=name,
            printer_kind=floor.printer.kind,
            material=floor.parameters.material,
            values=floor.parameters.values,
            digest="0" * 64,
            authored_by=floor.parameters.authored_by,
        )
    ParameterSet.objects.filter(name="another").update(state="approved")
    assert plant.usable_parameters() == floor.parameters
    assert plant.approved_parameters() == floor.parameters
    for withdrawn in (
        floor.parameters.signature,
        floor.printer.triples.get().signature,
        qualification_signatures(floor.printer)["operation"],
    ):
        assert withdrawn is not None
        with transaction.atomic():
            SignatureWithdrawal.objects.create(
                withdrawn=withdrawn, signature=withdrawn, reason="Never validated"
            )
            with pytest.raises(StoryBroken, match="Have one qualified"):
                plant.usable_parameters()
            transaction.set_rollback(True)
    assert plant.usable_parameters() == floor.parameters
    Printer.objects.filter(pk=floor.printer.pk).update(
        calibrated_until=timezone.localdate() - timedelta(days=1)
    )
    with pytest.raises(StoryBroken, match="Have one qualified"):
        plant.usable_parameters()


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
