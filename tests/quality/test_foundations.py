"""Whatever a device stands on may be taken back until it leaves the house: then nobody takes the next step (ES-18, G-SIG-01)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.db import transaction

from devices.gates.foundations import order_and_design_stand
from devices.lifecycle import MAKING_STEPS
from devices.models import Device
from devices.services.foundations import foundations_of_design
from mes.foundations import Foundation
from mes.lifecycle import GATES, Verdict
from mes.models import Signature, SignatureWithdrawal
from printing.gates.foundations import foundations_of_print, parts_stand, print_stands
from quality.gates.foundations import STEPS, foundations_of_making, making_stands
from quality.selectors.record import signatures_in, streams_of, supply_streams_of
from tests.quality.makers import Staff
from tests.quality.test_release import reviewed

ASKED: dict[Callable[..., Verdict], Callable[[Device], Iterator[Foundation]]] = {
    order_and_design_stand: foundations_of_design,
    print_stands: foundations_of_print,
    making_stands: foundations_of_making,
}
pytestmark = [pytest.mark.requirement("ES-18"), pytest.mark.requirement("G-SIG-01")]


def steps_of(check: Callable[..., Verdict]) -> set[str]:
    (found,) = [gate.transitions for gate in GATES.values() if gate.check is check]
    return set(found)


def test_it_is_asked_at_every_step() -> None:
    making = {*MAKING_STEPS, "device.release"}
    assert steps_of(order_and_design_stand) == steps_of(print_stands) == making
    assert steps_of(making_stands) == {*STEPS}
    assert {*STEPS} < making
    plates = {"build.create", "build.verify", "job.dispatch", "job.start", "job.resume"}
    assert steps_of(parts_stand) == plates


def test_nothing_that_was_signed_for_a_device_is_left_out(staff: Staff) -> None:
    device = reviewed(staff)
    found = [one.signature_id for laid in ASKED.values() for one in laid(device)]
    signed = signatures_in([*streams_of(device), *supply_streams_of(device)])
    assert None not in found
    design = device.current_design
    assert design is not None
    asked_by_themselves = {device.order.prescription_id, design.approval_id}
    left = [one.subject_type for one in signed if one.pk not in {*found, *asked_by_themselves}]
    # The calibration of what measured is G-INS-01's.
    assert left == ["quality.gauge"]


def test_each_may_be_taken_back_and_is_missed(staff: Staff) -> None:
    device = reviewed(staff)
    spare = Signature.objects.order_by("-pk").first()
    assert spare is not None
    for check, laid in ASKED.items():
        assert check(device).outcome == "pass"
        for one in laid(device):
            assert one.signature_id is not None
            with transaction.atomic():
                SignatureWithdrawal.objects.create(
                    withdrawn_id=one.signature_id, signature=spare, reason="wrong"
                )
                verdict = check(device)
                transaction.set_rollback(True)
            assert verdict.outcome == "block"
            assert one.what in verdict.reason
            assert verdict.cure
