"""Training: the skills matrix, and one controlled document with its revisions and who was trained on which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone

from mes.api.actors import actor_of
from mes.choices import DocumentStage
from mes.models import ControlledDocument, Curriculum, DocumentRevision, Person, TrainingRecord
from mes.permissions import PERMISSIONS, require
from mes.selectors import people_with
from mes.services.artefacts import artefact_path, require_intact
from mes.training import Required, counts, required_of, revision_in_force

PEOPLE_SHOWN = 300
ENDINGS = {"application/pdf": "pdf", "text/plain": "txt"}


@dataclass(frozen=True)
class Cell:
    """A person and a document. state: trained, grace, expired, failed or none; `until` where it expires."""

    state: str
    record: TrainingRecord | None = None


@dataclass(frozen=True)
class Skills:
    person: Person
    cells: tuple[Cell, ...]


def skills(request: HttpRequest) -> HttpResponse:
    """Who is trained for what now: people against documents, each cell with its word."""
    require(actor_of(request), "mes.read_training")
    now = timezone.now()
    documents = list(ControlledDocument.objects.order_by("number"))
    required = required_of(documents, now)
    asked = Curriculum.objects.filter(dropped=False).values_list("document_id", "action")
    actions: dict[int, list[str]] = {document.pk: [] for document in documents}
    for document_id, action in asked.order_by("action"):
        actions[document_id].append(PERMISSIONS[action].title if action in PERMISSIONS else action)
    roles = [role for _, action in asked if action in PERMISSIONS for role in PERMISSIONS[action].roles]
    people = list(people_with(*roles).order_by("full_name")[:PEOPLE_SHOWN])
    context = {
        "columns": [(one, actions[one.document.pk]) for one in required],
        "rows": _rows(people, required, now),
        "more": people_with(*roles).count() - len(people),
    }
    return render(request, "mes/skills.html", context)


def _rows(people: Sequence[Person], required: Sequence[Required], now: datetime) -> list[Skills]:
    """Three queries, however many people."""
    revisions = [revision.pk for one in required for revision in one.accepted(now)]
    records = TrainingRecord.objects.filter(person__in=people, revision__in=revisions).order_by("pk")
    newest = {(row.person_id, row.revision_id): row for row in records}
    return [Skills(person, tuple(_cell(newest, person, one, now) for one in required)) for person in people]


def _cell(
    newest: dict[tuple[int, int], TrainingRecord], person: Person, one: Required, now: datetime
) -> Cell:
    found = [newest[person.pk, rev.pk] for rev in one.accepted(now) if (person.pk, rev.pk) in newest]
    good = [record for record in found if counts(record, now)]
    if good:
        current = one.in_force is not None and good[0].revision_id == one.in_force.pk
        return Cell("trained" if current else "grace", good[0])
    if not found:
        return Cell("none")
    return Cell("failed" if found[0].result == "failed" else "expired", found[0])


def document_page(request: HttpRequest, number: str) -> HttpResponse:
    """A document: its revisions, which holds now, who was trained, and what asks for it."""
    require(actor_of(request), "mes.read_training")
    document = get_object_or_404(ControlledDocument, number=number)
    now = timezone.now()
    current = revision_in_force(document, now)
    revisions = document.revisions.select_related("author", "approval__person").order_by("-pk")
    trainings = TrainingRecord.objects.filter(revision__document=document)
    asked = document.curricula.filter(dropped=False).order_by("action")
    context: dict[str, Any] = {
        "document": document,
        "current": current,
        "revisions": [(row, _word(row, current, now)) for row in revisions],
        "trainings": trainings.select_related("person", "trainer", "revision").order_by("-pk")[:200],
        "asked": [PERMISSIONS[row.action].title for row in asked if row.action in PERMISSIONS],
    }
    return render(request, "mes/document.html", context)


def _word(row: DocumentRevision, current: DocumentRevision | None, now: datetime) -> str:
    if row.stage != DocumentStage.APPROVED:
        return str(row.stage)
    if row.is_upcoming(now):
        return "planned"
    return "effective" if row == current else "obsolete"


def document_file(request: HttpRequest, number: str, revision: str) -> FileResponse:
    """The file of a revision, checked against its digest (G-INT-01); an obsolete one says so in its name."""
    require(actor_of(request), "mes.read_training")
    row = (
        DocumentRevision.objects.select_related("document", "file")
        .filter(document__number=number, revision=revision)
        .first()
    )
    if row is None:
        raise Http404
    require_intact(row.file)
    word = _word(row, revision_in_force(row.document, timezone.now()), timezone.now())
    ending = ENDINGS.get(row.file.media_type, "bin")
    return FileResponse(
        artefact_path(row.file).open("rb"),
        as_attachment=True,
        filename=f"{number}-rev-{revision}-{word}.{ending}",
        content_type=row.file.media_type,
        headers={"X-Content-Type-Options": "nosniff"},
    )
