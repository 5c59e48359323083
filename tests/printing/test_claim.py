"""Two dispatchers never get one printer."""

from __future__ import annotations

import threading

import pytest
from django.db import IntegrityError, connection, transaction

from mes.exceptions import Refused
from mes.selectors import events_of
from printing.models import PrintJob
from tests.patience import PATIENCE_S
from tests.printing.makers import Floor, make_verified_build


@pytest.mark.requirement("G-PRN-06")
def test_of_two_dispatchers_one_gets_the_printer(floor: Floor, committed_db: None) -> None:
    builds = [floor.build, make_verified_build(floor.staff, parameters=floor.parameters)]
    begin = threading.Barrier(2)
    outcomes: list[object] = []

    def dispatch(number: int) -> None:
        begin.wait(PATIENCE_S)
        try:
            outcomes.append(floor.dispatch(builds[number]))
        except Refused as refusal:
            outcomes.append(refusal)
        finally:
            connection.close()

    threads = [threading.Thread(target=dispatch, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)

    jobs = [outcome for outcome in outcomes if isinstance(outcome, PrintJob)]
    refusals = [outcome for outcome in outcomes if isinstance(outcome, Refused)]
    assert (len(jobs), len(refusals)) == (1, 1)
    assert "holds this printer" in str(refusals[0])
    assert PrintJob.objects.count() == 1
    loser = next(build for build in builds if build.pk != jobs[0].build_id)
    loser.refresh_from_db()
    assert loser.state == "verified"
    assert not events_of(loser).filter(type="printing.build_scheduled").exists()


@pytest.mark.django_db
def test_the_database_itself_refuses_a_second_claim(floor: Floor) -> None:
    job, other = floor.dispatch(), make_verified_build(floor.staff, parameters=floor.parameters)
    with pytest.raises(IntegrityError, match="job_holds_printer"), transaction.atomic():
        PrintJob.objects.create(build=other, printer=job.printer, container=job.container)
