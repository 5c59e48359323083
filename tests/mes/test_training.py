"""Documents in force, curricula, training that lapses, and the revision that a step shows for ever."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import Error, IntegrityError, transaction
from django.utils import timezone

from mes.choices import Role, TrainingResult
from mes.eventlog.base import Actor
from mes.eventlog.unit import open_unit
from mes.exceptions import Conflict, InvalidInput, NotPermitted
from mes.models import DocumentRevision, EventRecord, Person, TrainingRecord
from mes.permissions import can, require
from mes.services.artefacts import store_artefact
from mes.services.signatures import Credentials
from mes.services.signing_withdrawal import withdraw_signature
from mes.services.training import (
    approve_document,
    draft_document,
    drop_training,
    record_training,
    require_training,
    withdraw_document,
)
from mes.standing import signatures_out_of_place
from mes.training import revision_in_force
from tests.mes.makers import make_person, make_signer, person_of

pytestmark = pytest.mark.django_db
ACTION = "quality.record_post_process_step"
Signer = tuple[Actor, Credentials]


class School:
    """A writer, an approver who also trains, and one who learns."""

    def __init__(self) -> None:
        self.writer, self.quality = make_signer(Role.QCM), make_signer(Role.QAR)
        self.learner = Actor.person(make_person(Role.PST).pk)

    @property
    def person(self) -> Person:
        return person_of(self.learner)

    def revision(self, name: str, **fields: Any) -> DocumentRevision:
        row = draft_document(
            number="WI-12",
            title="Washing",
            revision=name,
            file=f"wash {name}".encode(),
            media_type="text/plain",
            actor=self.writer[0],
        )
        return approve_document(
            revision_id=row.pk, actor=self.quality[0], credentials=self.quality[1], **fields
        )

    def ask(self, row: DocumentRevision) -> None:
        require_training(action=ACTION, document_id=row.document_id, actor=self.quality[0])

    def train(self, row: DocumentRevision, **fields: Any) -> TrainingRecord:
        return record_training(
            person_id=self.person.pk,
            revision_id=row.pk,
            actor=self.quality[0],
            credentials=self.quality[1],
            **fields,
        )

    def may(self, now: Any = None) -> bool:
        return can(self.learner, ACTION, now=now).allowed


@pytest.mark.requirement("G-OPR-01")
@pytest.mark.requirement("P11-10i")
def test_an_action_that_asks_for_a_document_needs_training_on_its_revision_in_force() -> None:
    school = School()
    first = school.revision("A")
    assert school.may()
    school.ask(first)
    with pytest.raises(NotPermitted) as refused:
        require(school.learner, ACTION)
    (reason,) = refused.value.reasons
    assert (reason.rule, "WI-12 rev A" in reason.text) == ("G-OPR-01", True)
    assert "/training/WI-12/" in reason.cure
    school.train(first)
    assert school.may()


@pytest.mark.requirement("P11-10i")
@pytest.mark.requirement("P11-10k")
def test_a_new_revision_lapses_the_training_at_its_moment() -> None:
    school, soon = School(), timezone.now() + timedelta(hours=1)
    first = school.revision("A")
    school.ask(first)
    school.train(first)
    second = school.revision("B", effective_from=soon)
    assert school.may(soon - timedelta(microseconds=1))
    assert not school.may(soon)
    assert "WI-12 rev B" in can(school.learner, ACTION, now=soon).reasons[0].text
    school.train(second)
    assert school.may(soon)
    assert school.may()


@pytest.mark.requirement("P11-10i")
def test_grace_lets_the_training_on_the_revision_before_count_for_its_days() -> None:
    school, soon = School(), timezone.now() + timedelta(hours=1)
    first = school.revision("A")
    school.ask(first)
    school.train(first)
    school.revision("B", effective_from=soon, grace_days=7)
    assert school.may(soon + timedelta(days=7) - timedelta(seconds=1))
    assert not school.may(soon + timedelta(days=7))


@pytest.mark.requirement("P11-10g")
@pytest.mark.requirement("G-OPR-01")
def test_training_that_expires_between_page_and_click_refuses_the_click() -> None:
    school, now = School(), timezone.now()
    row = school.revision("A")
    school.ask(row)
    school.train(row, trained_at=now, expires_at=now + timedelta(minutes=5))
    shown = can(school.learner, ACTION)
    assert shown.allowed
    clicked = can(school.learner, ACTION, now=now + timedelta(minutes=5))
    assert "expired" in clicked.reasons[0].text


def test_a_failure_ends_a_pass_and_records_are_never_changed() -> None:
    school = School()
    row = school.revision("A")
    school.ask(row)
    passed = school.train(row)
    school.train(row, result=TrainingResult.FAILED)
    assert "not passed" in can(school.learner, ACTION).reasons[0].text
    passed.result = TrainingResult.FAILED
    with pytest.raises(Error, match=r"K-01|permission denied"), transaction.atomic():
        passed.save()


@pytest.mark.requirement("K-14")
def test_an_action_whose_document_was_withdrawn_is_refused() -> None:
    school = School()
    row = school.revision("A")
    school.ask(row)
    school.train(row)
    withdraw_document(revision_id=row.pk, actor=school.quality[0], reason="wrong temperature")
    assert "no revision in force" in can(school.learner, ACTION).reasons[0].text


@pytest.mark.requirement("ES-18")
def test_a_training_counts_while_its_trainers_signature_and_the_approval_of_its_document_stand() -> None:
    school = School()
    first = school.revision("A")
    school.ask(first)
    trained = school.train(first)
    assert school.may()
    actor, typed = school.quality
    withdraw_signature(
        signature_id=trained.signature_id, reason="Another person", actor=actor, credentials=typed
    )
    assert "No trainer's signature stands" in can(school.learner, ACTION).reasons[0].text
    school.train(first)
    assert school.may()
    assert first.approval is not None
    withdraw_signature(signature_id=first.approval.pk, reason="Wrong file", actor=actor, credentials=typed)
    assert "no revision in force" in can(school.learner, ACTION).reasons[0].text
    second = school.revision("B")
    school.train(second)
    assert school.may()


@pytest.mark.requirement("ES-09")
@pytest.mark.requirement("P11-70")
def test_a_training_that_borrows_anothers_signature_counts_for_nobody_and_is_named() -> None:
    school, other = School(), Actor.person(make_person(Role.PST).pk)
    row = school.revision("A")
    school.ask(row)
    given = school.train(row)
    assert list(signatures_out_of_place()) == []
    forged = TrainingRecord.objects.create(
        person=person_of(other), trainer=given.trainer, revision=row, method=given.method, result=given.result,
        trained_at=given.trained_at, signature=given.signature,
    )  # fmt: skip
    assert "No trainer's signature stands" in can(other, ACTION).reasons[0].text
    assert school.may()
    (found,) = signatures_out_of_place()
    where = f"mes_training/{forged.pk}, signature: signature {given.signature_id}"
    assert found == f"{where} is about mes.person/{school.person.pk}"


def test_an_action_that_no_longer_asks_needs_no_training() -> None:
    school = School()
    row = school.revision("A")
    school.ask(row)
    curriculum = row.document.curricula.get()
    with pytest.raises(InvalidInput):
        drop_training(curriculum_id=curriculum.pk, actor=school.quality[0], reason=" ")
    drop_training(curriculum_id=curriculum.pk, actor=school.quality[0], reason="merged into WI-13")
    assert school.may()


@pytest.mark.requirement("G-SOD-01")
def test_nobody_approves_what_they_wrote_nor_trains_themselves() -> None:
    both = make_signer(Role.QAR)
    row = draft_document(
        number="WI-1", title="x", revision="A", file=b"x", media_type="text/plain", actor=both[0]
    )
    with pytest.raises(NotPermitted, match="wrote this revision"):
        approve_document(revision_id=row.pk, actor=both[0], credentials=both[1])
    other = make_signer(Role.QAR)
    approve_document(revision_id=row.pk, actor=other[0], credentials=other[1])
    with pytest.raises(NotPermitted, match="the one who was trained"):
        record_training(
            person_id=person_of(both[0]).pk, revision_id=row.pk, actor=both[0], credentials=both[1]
        )
    record = record_training(
        person_id=person_of(both[0]).pk, revision_id=row.pk, actor=other[0], credentials=other[1]
    )
    with pytest.raises(IntegrityError), transaction.atomic():
        TrainingRecord.objects.create(
            person=record.trainer, trainer=record.trainer, revision=row, method="shown", result="passed",
            trained_at=timezone.now(), signature=record.signature,
        )  # fmt: skip


def test_what_makes_no_sense_is_refused_with_every_fault() -> None:
    school, now = School(), timezone.now()
    with pytest.raises(InvalidInput) as refused:
        draft_document(
            number="wi 1", title=" ", revision="rev-1!", file=b"x", media_type="text/html", actor=school.writer[0]
        )  # fmt: skip
    assert len(refused.value.reasons) == 4
    with pytest.raises(InvalidInput, match="A revision is a short word"):
        draft_document(
            number="WI-1", title="x", revision="\u0410", file=b"x", media_type="text/plain", actor=school.writer[0]
        )  # fmt: skip
    draft = draft_document(
        number="WI-2", title="x", revision="A", file=b"x", media_type="text/plain", actor=school.writer[0]
    )
    with pytest.raises(InvalidInput, match="not approved"):
        school.train(draft)
    row = school.revision("A")
    with pytest.raises(InvalidInput) as wrong:
        school.train(row, trained_at=now + timedelta(days=2), expires_at=now)
    assert len(wrong.value.reasons) == 2
    for other in (store_artefact(b"PK", media_type="application/zip"), row.file):
        with pytest.raises(InvalidInput, match="was written on") as wrong:
            school.train(row, trained_at=now - timedelta(days=1), evidence=other)
        assert "no evidence" in wrong.value.reasons[1].text
    with pytest.raises(Conflict):
        school.revision("A")
    with pytest.raises(Conflict, match="is called 'x'"):
        draft_document(
            number="WI-2", title="y", revision="B", file=b"x", media_type="text/plain", actor=school.writer[0]
        )
    with pytest.raises(InvalidInput, match="now or later"):
        school.revision("B", effective_from=now - timedelta(days=1))
    assert not TrainingRecord.objects.exists()


@pytest.mark.requirement("P11-10k")
def test_a_step_shows_the_revision_that_held_then() -> None:
    school, soon = School(), timezone.now() + timedelta(hours=1)
    first = school.revision("A")
    school.ask(first)
    school.train(first)
    with open_unit():
        require(school.learner, ACTION, school.person)
    school.revision("B", effective_from=soon)
    fact = json.loads(EventRecord.objects.get(type="mes.instructions_followed").payload)
    assert [(one["number"], one["revision"]) for one in fact["documents"]] == [("WI-12", "A")]
    assert fact["documents"][0]["file"] == first.file_id
    assert revision_in_force(first.document, soon - timedelta(seconds=1)) == first
    assert revision_in_force(first.document, soon) != first
