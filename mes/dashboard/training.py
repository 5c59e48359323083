"""Training: the skills matrix, and one controlled document with its revisions and who was trained on which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone

from mes.api.actors import actor_of, viewer_behind
from mes.choices import DocumentStage
from mes.dashboard.actions import offered
from mes.eventlog.base import Actor
from mes.files import File, taken
from mes.models import ControlledDocument, Curriculum, DocumentRevision, Person, TrainingRecord
from mes.permissions import PERMISSIONS, Permission, may, require
from mes.scope import Viewer, known_people, knows_everybody
from mes.selectors import people_with, roles_of_people
from mes.training import Required, counts, required_of, revision_in_force

PEOPLE_SHOWN = 300
PER_PAGE = 100
DOCUMENTS_SHOWN = 60
TRAINED = ("trained", "grace")
ENDINGS = {"application/pdf": "pdf", "text/plain": "txt"}
EVIDENCE = "mes.read_training"


@dataclass(frozen=True)
class Cell:
    """A person and a document. state: trained, grace, expired, failed or none. needed: a role of theirs asks for it."""

    state: str
    record: TrainingRecord | None = None
    needed: bool = False

    @property
    def missing(self) -> bool:
        return self.needed and self.state not in TRAINED


@dataclass(frozen=True)
class Skills:
    person: Person
    cells: tuple[Cell, ...]

    @property
    def missing(self) -> int:
        return sum(cell.missing for cell in self.cells)


def skills(request: HttpRequest) -> HttpResponse:
    """Who is trained for what now: people against documents, each cell with its word, and who lacks what they need.

    Who may not know everybody sees the own row alone. `?q=` narrows to names, `?document=` to numbers, `?missing` to people who may not do something that their roles carry.
    """
    require(actor_of(request), "mes.read_training")
    now = timezone.now()
    number, search = request.GET.get("document", "").strip()[:30], request.GET.get("q", "").strip()[:60]
    asking = Curriculum.objects.filter(dropped=False, document=OuterRef("pk"))
    documents = ControlledDocument.objects.filter(number__icontains=number)
    documents = documents.annotate(asked=Exists(asking)).order_by("-asked", "number")
    required = required_of(list(documents[:DOCUMENTS_SHOWN]), now)
    asked = _asked(required)
    known = (
        known_people(_people(asked), viewer_behind(request))
        .filter(full_name__icontains=search)
        .order_by("full_name", "pk")
    )
    people = list(known[:PEOPLE_SHOWN])
    rows = _rows(people, required, now, asked)
    context = {
        "columns": [(one, [action.title for action in asked[one.document.pk]]) for one in required],
        "rows": [row for row in rows if row.missing] if "missing" in request.GET else rows,
        "lacking": sum(1 for row in rows if row.missing),
        "more": known.count() - len(people),
        "more_documents": documents.count() - len(required),
        "any": ControlledDocument.objects.exists(),
        "search": search,
        "number": number,
        "missing": "missing" in request.GET,
        "actions": offered(request, "documents", None),
    }
    return render(request, "mes/skills.html", context)


def _asked(required: Sequence[Required]) -> dict[int, list[Permission]]:
    """By document: the actions that ask for it."""
    found: dict[int, list[Permission]] = {one.document.pk: [] for one in required}
    rows = Curriculum.objects.filter(dropped=False, document__in=found).order_by("action")
    for document_id, action in rows.values_list("document_id", "action"):
        if action in PERMISSIONS:
            found[document_id].append(PERMISSIONS[action])
    return found


def _people(asked: dict[int, list[Permission]]) -> QuerySet[Person]:
    """Whoever carries an action that asks for something."""
    return people_with(*{role for actions in asked.values() for action in actions for role in action.roles})


def _rows(
    people: Sequence[Person],
    required: Sequence[Required],
    now: datetime,
    asked: dict[int, list[Permission]],
) -> list[Skills]:
    """Four queries, however many people."""
    held = roles_of_people(people, now)
    revisions = [revision.pk for one in required for revision in one.accepted(now)]
    records = TrainingRecord.objects.filter(person__in=people, revision__in=revisions).order_by("pk")
    records = records.select_related("signature__withdrawal")
    newest = {(row.person_id, row.revision_id): row for row in records}
    return [
        Skills(
            person,
            tuple(
                replace(
                    _cell(newest, person, one, now),
                    needed=any(action.roles & held[person.pk] for action in asked[one.document.pk]),
                )
                for one in required
            ),
        )
        for person in people
    ]


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


def documents(request: HttpRequest) -> HttpResponse:
    """Every controlled document: which revision holds, which waits for its approval, and what asks for it."""
    require(actor_of(request), "mes.read_training")
    now = timezone.now()
    search = request.GET.get("q", "").strip()[:60]
    found = ControlledDocument.objects.filter(Q(number__icontains=search) | Q(title__icontains=search))
    waiting = DocumentRevision.objects.filter(stage=DocumentStage.DRAFT)
    if "draft" in request.GET:
        found = found.filter(revisions__in=waiting).distinct()
    pages = Paginator(found.order_by("number"), PER_PAGE)
    shown = pages.get_page(request.GET.get("page"))
    required = required_of(list(shown), now)
    asked = _asked(required)
    drafts = {row.document_id: row for row in waiting.filter(document__in=list(shown)).order_by("pk")}
    context = {
        "rows": [(one, drafts.get(one.document.pk), asked[one.document.pk]) for one in required],
        "page": shown,
        "search": search,
        "draft": "draft" in request.GET,
        "actions": offered(request, "documents", None),
    }
    return render(request, "mes/documents.html", context)


def curricula(request: HttpRequest) -> HttpResponse:
    """What each action asks to be known, and how many of those who carry it lack it."""
    require(actor_of(request), "mes.read_training")
    now = timezone.now()
    search = request.GET.get("q", "").strip()[:60].casefold()
    rows = Curriculum.objects.filter(dropped=False).select_related("document")
    lines = [
        (PERMISSIONS[row.action], row)
        for row in rows.order_by("action", "document__number")
        if row.action in PERMISSIONS and search in f"{row.action} {PERMISSIONS[row.action].title}".casefold()
    ]
    shown = lines[:PER_PAGE]
    documents = {row.document.pk: row.document for _, row in shown}
    lacking = _lacking(required_of(list(documents.values()), now), now)
    context = {
        "rows": [
            (permission, row, lacking[row.pk], offered(request, "curriculum", row))
            for permission, row in shown
        ],
        "more": len(lines) - len(shown),
        "any": rows.exists(),
        "search": search,
    }
    return render(request, "mes/curricula.html", context)


def _lacking(required: Sequence[Required], now: datetime) -> dict[int, int]:
    """By curriculum: how many people carry the action and are not trained on the document."""
    asked = _asked(required)
    everybody = list(_people(asked))
    held = roles_of_people(everybody, now)
    table = {row.person.pk: row.cells for row in _rows(everybody, required, now, asked)}
    places = {one.document.pk: place for place, one in enumerate(required)}
    curricula = Curriculum.objects.filter(dropped=False, document__in=places)
    return {
        row.pk: sum(
            table[person.pk][places[row.document_id]].state not in TRAINED
            for person in everybody
            if row.action in PERMISSIONS and PERMISSIONS[row.action].roles & held[person.pk]
        )
        for row in curricula
    }


def document_page(request: HttpRequest, number: str) -> HttpResponse:
    """A document: its revisions, which holds now, who was trained, and what asks for it. Of people, those that the viewer
    may know (P11-10d)."""
    require(actor_of(request), "mes.read_training")
    document = get_object_or_404(ControlledDocument, number=number)
    now = timezone.now()
    current = revision_in_force(document, now)
    revisions = document.revisions.select_related("author", "approval__person").order_by("-pk")
    known = known_people(Person.objects.all(), viewer_behind(request))
    trainings = TrainingRecord.objects.filter(revision__document=document, person__in=known)
    asked = document.curricula.filter(dropped=False).order_by("action")
    context: dict[str, Any] = {
        "document": document,
        "current": current,
        "revisions": [
            (row, _word(row, current, now), offered(request, "revision", row)) for row in revisions
        ],
        "actions": offered(request, "document", document),
        "known": set(known.values_list("pk", flat=True)),
        "evidence_opens": evidence_opens(actor_of(request), viewer_behind(request)),
        "more": max(0, trainings.count() - PEOPLE_SHOWN),
        "trainings": trainings.select_related(
            "person", "trainer", "revision", "signature__withdrawal"
        ).order_by("-pk")[:PEOPLE_SHOWN],
        "asked": [
            (PERMISSIONS[row.action].title, row, offered(request, "curriculum", row))
            for row in asked
            if row.action in PERMISSIONS
        ],
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
    word = _word(row, revision_in_force(row.document, timezone.now()), timezone.now())
    ending = ENDINGS.get(row.file.media_type, "bin")
    name = f"{number}-rev-{revision}-{word}.{ending}"
    file = File(name, row.file_id, row.file.size, row.file.media_type)
    return taken(file, subject=row, actor=actor_of(request))


def evidence_opens(actor: Actor, viewer: Viewer) -> bool:
    """Whether somebody reads the evidence of trainings: a signed list names all who were there (P11-10d)."""
    return knows_everybody(viewer) and may(actor, EVIDENCE)


def training_evidence(request: HttpRequest, number: int) -> FileResponse:
    """The signed list or certificate of a training, checked against its digest (G-INT-01)."""
    require(actor_of(request), EVIDENCE)
    rows = TrainingRecord.objects.select_related("person", "evidence", "revision__document")
    row = get_object_or_404(rows, pk=number, evidence__isnull=False)
    if row.evidence is None or not evidence_opens(actor_of(request), viewer_behind(request)):
        raise Http404
    ending = ENDINGS.get(row.evidence.media_type, "bin")
    name = f"{row.revision.document.number}-rev-{row.revision.revision}-training-{row.pk}.{ending}"
    file = File(name, row.evidence.pk, row.evidence.size, row.evidence.media_type)
    return taken(file, subject=row.person, actor=actor_of(request))
