"""What waits for the privacy officer, for a quality reviewer, and for the manager of somebody."""

from __future__ import annotations

from django.db.models import QuerySet
from django.urls import reverse

from mes.choices import ErasureStage, Role
from mes.models import EmergencyAccess, ErasureRequest
from mes.panels import PERSONAL, Task, worklist
from mes.services.emergency import emergencies_of_manager, emergencies_to_review

SHOWN = 100


def emergency_link(access: EmergencyAccess) -> tuple[str, str]:
    return access.code, reverse("emergency", args=[access.code])


def erasure_link(request: ErasureRequest) -> tuple[str, str]:
    return request.code, reverse("erasure", args=[request.code])


@worklist("mes.review_emergency", "Review an access in an emergency", Role.PRV, shown=emergency_link)
def for_review() -> QuerySet[EmergencyAccess]:
    return emergencies_to_review()


@worklist("mes.decide_erasure_officer", "Decide about an erasure", Role.PRV, shown=erasure_link)
def for_privacy_officer() -> QuerySet[ErasureRequest]:
    return ErasureRequest.objects.filter(stage=ErasureStage.REQUESTED, officer_approval__isnull=True)


@worklist("mes.decide_erasure_quality", "Decide about an erasure", Role.QAR, shown=erasure_link)
def for_quality() -> QuerySet[ErasureRequest]:
    return ErasureRequest.objects.filter(stage=ErasureStage.REQUESTED, quality_approval__isnull=True)


@PERSONAL.register("mes.review_as_manager")
def of_manager(person_id: int) -> list[Task]:
    rows = emergencies_of_manager(person_id).order_by("pk")[:SHOWN]
    title = "Review an access in an emergency of somebody you answer for"
    return [Task(title, *emergency_link(row), frozenset()) for row in rows]
