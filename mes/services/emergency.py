"""Access in an emergency: without the right, with a reason, for a limited time, reviewed afterwards by two people
(45 CFR 164.312(a)(2)(ii); regulatory 1.9)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from mes.choices import EmergencyStage, Meaning, Role
from mes.eventlog.base import Actor, plain
from mes.eventlog.unit import publish, unit_of_work
from mes.events import EmergencyAccessEnded, EmergencyAccessOpened, EmergencyAccessReviewed, ManagerNamed
from mes.exceptions import Conflict, InvalidInput, NotPermitted, TooOften
from mes.models import EmergencyAccess, Patient, Person, ReportingLine
from mes.permissions import require
from mes.segregation import segregation_reasons
from mes.selectors import roles_of
from mes.services.signatures import Credentials, sign
from mes.standing import carries

SHORTEST_REASON = 10
DAY = timedelta(days=1)
Reviewer = Literal["officer", "manager", "second officer"]


@unit_of_work
def name_manager(*, person: Person, manager: Person, actor: Actor) -> ReportingLine:
    """Say who answers for a person, instead of whoever did. Raises InvalidInput for somebody who would answer to themselves."""
    require(actor, "mes.name_manager")
    Person.objects.select_for_update().get(pk=person.pk)
    if person == manager or not manager.active:
        raise InvalidInput(
            "A manager is another person, and active.", cure="Name somebody else.", rule="P11-10d"
        )
    for line in ReportingLine.objects.select_for_update().filter(person=person, ended=False):
        line.ended = True
        line.save(update_fields=["ended"])
        publish(line, ManagerNamed(person_id=person.pk, manager_id=manager.pk), actor=actor)
    line = ReportingLine.objects.create(person=person, manager=manager)
    publish(line, ManagerNamed(person_id=person.pk, manager_id=manager.pk), actor=actor)
    return line


def manager_of(person: Person) -> Person | None:
    line = ReportingLine.objects.filter(person=person, ended=False).select_related("manager").first()
    return line.manager if line and line.manager.active else None


@unit_of_work
def break_glass(*, patient: Patient, actor: Actor, reason: str) -> EmergencyAccess:
    """Take access to a patient's identity until `settings.EMERGENCY_ACCESS` is over. Every look asks for it again.

    Raises InvalidInput for a reason that says nothing, Conflict while one is open, TooOften.
    """
    require(actor, "mes.break_glass")
    if actor.person_id is None:
        raise NotPermitted("Only a person has an emergency.", cure="Sign in and do it.", rule="P11-10g")
    if len(reason.strip()) < SHORTEST_REASON:
        raise InvalidInput(
            "Say what the emergency is.",
            cure="One sentence that the privacy officer can check.",
            rule="P11-10e",
        )
    person = Person.objects.select_for_update().get(pk=actor.person_id)
    now = timezone.now()
    _refuse_again(person, patient)
    manager = manager_of(person)
    access = EmergencyAccess.objects.create(
        person=person,
        patient=patient,
        reason=reason.strip(),
        opened_at=now,
        expires_at=now + settings.EMERGENCY_ACCESS,
        manager=manager,
    )
    opened = EmergencyAccessOpened(
        access_id=access.pk,
        patient_id=patient.pk,
        person_id=person.pk,
        expires_at=str(plain(access.expires_at)),
        manager_id=manager.pk if manager else None,
    )
    publish(access, opened, actor=actor, reason=access.reason)
    return access


def _refuse_again(person: Person, patient: Patient) -> None:
    """One at a time for a patient, and few in a day. What is over, but was not closed yet, is closed first."""
    for over in _over().filter(person=person, patient=patient):
        end_emergency_access(access_id=over.pk, actor=CLOCK)
    if EmergencyAccess.objects.filter(person=person, patient=patient, stage=EmergencyStage.OPEN).exists():
        raise Conflict("Your access in an emergency is still open.", cure="Use it.", rule="P11-10d")
    today = EmergencyAccess.objects.filter(person=person, opened_at__gt=timezone.now() - DAY).count()
    if today >= settings.EMERGENCIES_PER_DAY:
        raise TooOften(
            f"You have taken access in an emergency {today} times within a day.",
            cure="Ask the privacy officer for the right that you need.",
            rule="P11-10d",
        )


CLOCK = Actor.system("tick")


def _over() -> QuerySet[EmergencyAccess]:
    return EmergencyAccess.objects.filter(stage=EmergencyStage.OPEN, expires_at__lte=timezone.now())


def end_expired_accesses() -> int:
    """Close what is over. Nobody could use it any more since the moment it expired. Returns how many."""
    keys = list(_over().order_by("pk").values_list("pk", flat=True))
    for key in keys:
        end_emergency_access(access_id=key, actor=CLOCK)
    return len(keys)


@unit_of_work
def end_emergency_access(*, access_id: int, actor: Actor) -> EmergencyAccess:
    """Close an open access: by the clock when its time is up, or earlier by its person or the privacy officer."""
    access = EmergencyAccess.objects.select_for_update().get(pk=access_id)
    if access.stage != EmergencyStage.OPEN:
        return access
    now = timezone.now()
    early = now < access.expires_at
    if actor.person_id != access.person_id and (early or actor.person_id is not None):
        require(actor, "mes.review_emergency")
    access.stage, access.ended_at = EmergencyStage.ENDED, now if early else access.expires_at
    access.save(update_fields=["stage", "ended_at"])
    publish(access, EmergencyAccessEnded(access_id=access.pk, early=early), actor=actor)
    return access


def review_content(access: EmergencyAccess, finding: str, *, justified: bool) -> Mapping[str, Any]:
    """What a reviewer signs: who had access to whom, why, when, and what was looked at."""
    return {
        "emergency_access": access.code,
        "person_id": access.person_id,
        "patient": access.patient.token,
        "reason": access.reason,
        "opened_at": access.opened_at,
        "ended_at": access.ended_at,
        "views": [
            {"at": view.viewed_at, "reason": view.reason} for view in access.views.order_by("viewed_at", "pk")
        ],
        "justified": justified,
        "finding": finding,
    }


def reviewer_of(access: EmergencyAccess, person_id: int | None) -> Reviewer | None:
    """As whom a person still has to review an access, if at all. Nobody reviews their own."""
    person = Person.objects.filter(pk=person_id or 0, active=True).first()
    if person is None or not _is_to_review(access):
        return None
    if segregation_reasons(Actor.person(person.pk), "mes.review_emergency", access):
        return None
    manager = manager_to_review(access)
    if manager is not None and person.pk == manager.pk:
        return None if carries(access, "manager_review") else "manager"
    if Role.PRV not in roles_of(person):
        return None
    if not carries(access, "officer_review"):
        return None if _gave(access, "manager_review", person) else "officer"
    lacks_second = manager is None and access.manager_id and not carries(access, "manager_review")
    return "second officer" if lacks_second and not _gave(access, "officer_review", person) else None


def manager_to_review(access: EmergencyAccess) -> Person | None:
    """The manager who was named when it was taken; once they have left, whoever answers for the person now. None where
    nobody was named, and where there is nobody who has not reviewed it as the officer: a second officer does it then."""
    if access.manager is None or access.manager.active:
        return access.manager
    now = manager_of(access.person)
    return None if now is None or _gave(access, "officer_review", now) else now


def _gave(access: EmergencyAccess, review: str, person: Person) -> bool:
    """Whether a review that stands is a person's: the two are never one person's."""
    return carries(access, review) and getattr(access, review).person_id == person.pk


def people_involved(access: EmergencyAccess) -> frozenset[int]:
    """Whoever may look at an access without the right to read of every one: its person, and who answers for them."""
    manager = manager_to_review(access)
    known = (access.person_id, access.manager_id, manager.pk if manager else None)
    return frozenset(key for key in known if key is not None)


def still_needed(access: EmergencyAccess) -> str:
    """In words, who has not reviewed an access yet."""
    if not carries(access, "officer_review"):
        return "the privacy officer"
    manager = manager_to_review(access)
    return (
        str(manager) if manager else "a second privacy officer, or whoever is named to answer for the person,"
    )


def _is_to_review(access: EmergencyAccess) -> bool:
    """Ended, and not reviewed by everybody: a review that was withdrawn is given anew."""
    if access.stage != EmergencyStage.REVIEWED:
        return access.stage == EmergencyStage.ENDED
    return not _is_reviewed(access)


def _is_reviewed(access: EmergencyAccess) -> bool:
    by_manager = access.manager_id is None or carries(access, "manager_review")
    return by_manager and carries(access, "officer_review")


REVIEWS: Mapping[Reviewer, str] = {
    "officer": "mes.review_emergency",
    "manager": "mes.review_as_manager",
    "second officer": "mes.review_emergency",
}
"""The right that each review takes: a role that was confirmed in time, and the training that is asked for (G-OPR-02)."""


@unit_of_work
def review_emergency_access(
    *, access_id: int, justified: bool, finding: str, actor: Actor, credentials: Credentials
) -> EmergencyAccess:
    """Sign what was found. The privacy officer and, where one is named, the person's manager; the last one closes it.
    Where the manager has left, whoever answers for the person now reviews it, or a second privacy officer."""
    access = EmergencyAccess.objects.select_for_update().get(pk=access_id)
    if not _is_to_review(access):
        raise Conflict(
            "Only an access that has ended, and no other, is reviewed.", cure="Look again.", rule="K-06"
        )
    if not finding.strip():
        raise InvalidInput("Say what you found.", cure="One sentence.", rule="P11-10e")
    reviewer = reviewer_of(access, actor.person_id)
    if reviewer is None:
        raise NotPermitted(
            "This access is not yours to review, or you have done so.",
            cure="The privacy officer and the person's manager review it, each once, and nobody their own. Where the manager "
            "has left: name another one for the person, or a second privacy officer reviews it.",
            rule="G-SOD-01",
        )
    require(actor, REVIEWS[reviewer], access)
    content = review_content(access, finding.strip(), justified=justified)
    signature = sign(
        subject=access, content=content, meaning=Meaning.REVIEWED, actor=actor, credentials=credentials
    )
    if reviewer == "officer":
        access.officer_review, access.justified = signature, justified
    else:
        access.manager_review = signature
    access.save(update_fields=["officer_review", "manager_review", "justified"])
    if _is_reviewed(access):
        access.stage = EmergencyStage.REVIEWED
        access.save(update_fields=["stage"])
    reviewed = EmergencyAccessReviewed(
        access_id=access.pk, reviewer=reviewer, justified=justified, signature_id=signature.pk
    )
    publish(access, reviewed, actor=actor, reason=finding.strip())
    return access


def emergencies_to_review() -> QuerySet[EmergencyAccess]:
    """What waits for a privacy officer: open ones too, which may be ended early; and those whose manager has left."""
    waiting = Q(stage__in=[EmergencyStage.OPEN, EmergencyStage.ENDED], officer_review__isnull=True)
    without = Q(pk__in=emergencies_without_manager().values("pk"))
    return EmergencyAccess.objects.filter(waiting | Q(officer_review__withdrawal__isnull=False) | without)


def emergencies_without_manager() -> QuerySet[EmergencyAccess]:
    """Those whose manager has left before reviewing them, and for whose person nobody else answers who could."""
    others = _answering().exclude(manager=OuterRef("officer_review__person"))
    left = Q(stage=EmergencyStage.ENDED, manager__active=False)
    return EmergencyAccess.objects.filter(left & AWAITS_MANAGER).exclude(Exists(others))


def emergencies_of_manager(person_id: int) -> QuerySet[EmergencyAccess]:
    """What waits for a person as the manager of whoever took access, or as who answers for them since that one left."""
    followed = Q(manager__active=False) & Exists(_answering().filter(manager=person_id))
    theirs = Q(manager_id=person_id) | followed & ~Q(officer_review__person=person_id)
    waiting = Q(stage=EmergencyStage.ENDED) & AWAITS_MANAGER | Q(manager_review__withdrawal__isnull=False)
    return EmergencyAccess.objects.filter(theirs & waiting)


AWAITS_MANAGER = Q(manager_review__isnull=True) | Q(manager_review__withdrawal__isnull=False)


def _answering() -> QuerySet[ReportingLine]:
    """Who answers now for the person of an access, and is active."""
    return ReportingLine.objects.filter(person=OuterRef("person"), ended=False, manager__active=True)
