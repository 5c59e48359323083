"""Every row that carries a signature says what that is about, and somewhere a decision asks whether it stands."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.apps import apps
from django.db.models import ForeignKey

from devices.gates import designs, orders
from devices.services import definitions, plans, segmentations
from devices.services.designs import against_approval
from mes import training
from mes.models import Signature
from mes.services import (
    disposals,
    emergency,
    erasure,
    holds,
    reviews,
    roles,
    safekeeping,
    signing_handwritten,
    signing_withdrawal,
)
from mes.tables import TABLES
from printing.gates import base, builds, printers
from quality.gates import packing, release
from quality.reports import evidence
from quality.services import gauges, nonconformance

ASKED: dict[str, Callable[..., Any]] = {
    "devices.Design.approval": against_approval,
    "devices.Design.review": designs.design_reviewed,
    "devices.DeviceMaster.approval": orders.definitions_stand,
    "devices.Material.approval": definitions._refuse_approved,
    "devices.Order.prescription": orders.prescription_signed,
    "devices.Plan.approval": plans.against_plan,
    "devices.Segmentation.approval": segmentations.against_segmentation,
    "mes.AuditReview.signature": reviews._reviewed_until,
    "mes.Disposal.approval": disposals._refuse_withdrawn,
    "mes.Disposal.proposal": disposals._refuse_withdrawn,
    "mes.DocumentRevision.approval": training._judged,
    "mes.EmergencyAccess.manager_review": emergency._is_reviewed,
    "mes.EmergencyAccess.officer_review": emergency._is_reviewed,
    "mes.ErasureRequest.officer_approval": erasure.approve_erasure,
    "mes.ErasureRequest.quality_approval": erasure.approve_erasure,
    "mes.HandwrittenSignature.verification": signing_handwritten.verify_handwritten,
    "mes.LegalHold.proposal": holds.release_hold,
    "mes.RestoreDrill.confirmation": safekeeping.confirm_drill,
    "mes.RoleGrant.first_approval": roles.approve_role,
    "mes.TrainingRecord.signature": training._judged,
    "printing.Build.verify_signature": builds.verification_stands,
    "printing.MaterialLot.release_signature": base.is_released,
    "printing.ParameterSet.signature": builds.parameters_approved,
    "printing.QualifiedTriple.signature": printers.triple_qualified,
    "quality.Calibration.signature": gauges.calibration_faults,
    "quality.Nonconformance.proposal": nonconformance.dispose_nonconformance,
    "quality.Package.application": packing.its_packages_are_signed_for,
    "quality.Package.closing": packing.its_packages_are_signed_for,
    "quality.PostProcessStep.signature": evidence._quality_signatures,
    "quality.RecordReview.signature": evidence.covers,
    "quality.ReleaseDecision.signature": release.the_release_stands,
    "quality.Verdict.signature": evidence.covers,
}
"""By column: what asks whether its signature stands, before something is decided on it."""
OTHERWISE = {
    "mes.LegalHold.release": signing_withdrawal.DONE,
    "mes.RoleGrant.second_approval": "standing() of mes.selectors counts no grant with a withdrawn approval",
    "mes.SignatureWithdrawal.signature": "a withdrawal cannot be withdrawn",
    "mes.SignatureWithdrawal.withdrawn": "what it takes back",
    "mes.StatementAcceptance.signature": "the acceptance of the statement cannot be withdrawn",
    "quality.Nonconformance.approval": signing_withdrawal.DONE,
}
"""What can no longer be withdrawn once something rests on it, or is asked in the database."""
ASKS = re.compile(r"\b(stands|stands_for|carries|require_carried|reasons_against|not_withdrawn)\(")


def columns() -> Iterator[tuple[str, str, str]]:
    """(label, table, column) of every column that carries a signature."""
    for model in apps.get_models():
        for field in model._meta.get_fields():
            if isinstance(field, ForeignKey) and field.related_model is Signature:
                label = f"{model._meta.app_label}.{model.__name__}.{field.name}"
                yield label, model._meta.db_table, field.name


@pytest.mark.requirement("ES-18")
def test_every_signature_that_a_row_carries_is_asked_whether_it_stands() -> None:
    assert {label for label, *_ in columns()} == {*ASKED, *OTHERWISE}
    assert [label for label, asks in ASKED.items() if not ASKS.search(inspect.getsource(asks))] == []
    assert {"mes.legal_hold", "quality.nonconformance"} <= set(signing_withdrawal.DONE)


@pytest.mark.requirement("ES-09")
def test_every_row_that_carries_a_signature_says_what_that_is_about() -> None:
    silent = [label for label, table, column in columns() if column not in TABLES[table].signed]
    assert silent == ["mes.SignatureWithdrawal.withdrawn"]
