"""A job is printed and booked from the container that it was started with."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mes.exceptions import TransitionRefused
from printing.models import Container
from printing.services.jobs import start_job
from printing.services.loading import load_container
from tests.printing.makers import Floor, make_released_lot


@pytest.mark.django_db
@pytest.mark.requirement("G-MAT-08")
def test_from_its_start_to_its_end_a_job_keeps_its_container(floor: Floor) -> None:
    lot = make_released_lot(floor.staff, containers=[Decimal(500), Decimal(500)])
    floor.load(lot)
    job = floor.dispatch()
    other = Container.objects.filter(lot=lot).order_by("pk")[1]
    start_job(job_id=job.pk, actor=floor.operator)
    with pytest.raises(TransitionRefused, match="started with"):
        load_container(printer_id=floor.printer.pk, scanned_code=other.label, actor=floor.operator)
    floor.printer.refresh_from_db()
    assert floor.printer.container_id == job.container_id != other.pk
