"""What people do with controlled documents, with what each action asks to be known, and with who was trained (11.10(i), (k))."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mes.choices import DocumentStage, Meaning, TrainingMethod, TrainingResult
from mes.compiled import by_key
from mes.dashboard.actions.base import Action, Doing, Done, Field, Next, Upload, Values, why
from mes.dashboard.actions.people import start_of
from mes.eventlog.base import Actor
from mes.exceptions import InvalidInput
from mes.models import Artefact, ControlledDocument, Curriculum, DocumentRevision, Person
from mes.permissions import PERMISSIONS
from mes.services.training import (
    LARGEST_FILE,
    approve_document,
    draft_document,
    drop_training,
    keep_evidence,
    record_training,
    require_training,
    revision_content,
    training_content,
    withdraw_document,
)

ENDINGS = {".pdf": "application/pdf", ".txt": "text/plain"}
ACCEPTED = ".pdf,.txt"


def _file_fields() -> tuple[Field, ...]:
    return (
        Field("revision", "Revision", maximum=10, hint="A short word such as B or 3."),
        Field("file", "PDF or plain text", "file", accept=ACCEPTED),
    )


def _new_fields(_: Any) -> tuple[Field, ...]:
    return (
        Field("number", "Number", maximum=30, hint="A to Z, 0 to 9, point and hyphen, such as WI-12."),
        Field("title", "Title", maximum=200),
        *_file_fields(),
    )


def _read(upload: Upload) -> tuple[bytes, str]:
    """A file and its media type. Raises InvalidInput for one that is too large or of another kind."""
    ending = Path(upload.name or "").suffix.lower()
    if ending not in ENDINGS:
        raise InvalidInput("A document is a PDF or plain text.", cure="Send it as .pdf or .txt.")
    if (upload.size or 0) > LARGEST_FILE:
        raise InvalidInput(
            f"The file is larger than {LARGEST_FILE // 1024**2} MiB.", cure="Send a smaller one."
        )
    return upload.read(), ENDINGS[ending]


def _draft(doing: Doing, number: str, title: str) -> Done:
    file, media_type = _read(doing.values["file"][0])
    row = draft_document(
        number=number,
        title=title,
        revision=str(doing.values["revision"]),
        file=file,
        media_type=media_type,
        actor=doing.actor,
    )
    return Done(f"{row} is drafted. Somebody else approves it.", "document", number)


def _draft_new(doing: Doing) -> Done:
    return _draft(doing, str(doing.values["number"]), str(doing.values["title"]))


def _draft_next(doing: Doing) -> Done:
    return _draft(doing, doing.subject.number, doing.subject.title)


def _approval_fields(_: Any) -> tuple[Field, ...]:
    return (
        Field(
            "effective_from", "In force from", "date", required=False, hint="Empty: as soon as you have signed."
        ),
        Field(
            "grace_days", "Days of grace", "whole", initial="0", limits=(0, 365),
            hint="How long training on the revision before still counts.",
        ),
    )  # fmt: skip


def _approval_signs(row: DocumentRevision, values: Values, _: Actor) -> Mapping[str, Any]:
    start = start_of(values.get("effective_from") or None)
    return revision_content(row, start, int(values.get("grace_days") or 0))


def _approve(doing: Doing) -> str:
    row = approve_document(
        revision_id=doing.subject.pk,
        effective_from=start_of(doing.values["effective_from"]),
        grace_days=doing.values["grace_days"],
        actor=doing.actor,
        credentials=doing.credentials,
    )
    return f"{row} is approved."


def _withdraw(doing: Doing) -> str:
    row = withdraw_document(revision_id=doing.subject.pk, actor=doing.actor, reason=doing.reason)
    return f"{row} is withdrawn."


def _because(_: Any) -> tuple[Field, ...]:
    return (why(),)


def _training_fields(_: Any) -> tuple[Field, ...]:
    people = Person.objects.filter(active=True).order_by("full_name", "pk")
    return (
        Field("person", "Who was trained", "select", choices=[(str(one.pk), str(one)) for one in people]),
        Field("method", "How", "select", initial=TrainingMethod.SHOWN.value, choices=TrainingMethod.choices),
        Field(
            "result", "Result", "select", initial=TrainingResult.PASSED.value, choices=TrainingResult.choices
        ),
        Field("trained_on", "On", "date", required=False, hint="Empty: now, when you sign."),
        Field("expires_on", "Counts until", "date", required=False, hint="Empty: without an end."),
        Field("evidence", "Evidence", "carried", required=False),
    )


def _evidence(values: Values) -> Artefact | None:
    digest = str(values.get("evidence") or "")
    found = by_key(Artefact, digest) if digest else None
    if digest and found is None:
        raise InvalidInput("The evidence is not there.", cure="Attach it again.", rule="P11-10i")
    return found


def _training_signs(row: DocumentRevision, values: Values, _: Actor) -> Mapping[str, Any]:
    person = by_key(Person, values.get("person") or 0)
    if person is None:
        return {}
    return training_content(
        person,
        row,
        str(values.get("method") or ""),
        str(values.get("result") or ""),
        start_of(values.get("trained_on") or None),
        start_of(values.get("expires_on") or None),
        _evidence(values),
    )


def _record(doing: Doing) -> str:
    typed = doing.values
    row = record_training(
        person_id=int(typed["person"]),
        revision_id=doing.subject.pk,
        method=TrainingMethod(typed["method"]),
        result=TrainingResult(typed["result"]),
        trained_at=start_of(typed["trained_on"]),
        expires_at=start_of(typed["expires_on"]),
        evidence=_evidence(typed),
        actor=doing.actor,
        credentials=doing.credentials,
    )
    return f"The training of {row.person} is on record."


def _evidence_fields(_: Any) -> tuple[Field, ...]:
    return (Field("file", "Signed list or certificate, as PDF or plain text", "file", accept=ACCEPTED),)


def _attach(doing: Doing) -> Next:
    file, media_type = _read(doing.values["file"][0])
    evidence = keep_evidence(file=file, media_type=media_type, actor=doing.actor)
    return Next("record-training", {"evidence": evidence.pk})


def _asking_fields(_: Any) -> tuple[Field, ...]:
    choices = sorted(
        ((one.action, one.title) for one in PERMISSIONS.values() if one.roles), key=lambda c: c[1]
    )
    return (Field("action", "Nobody may, without training on it", "select", choices=choices), why())


def _ask(doing: Doing) -> str:
    row = require_training(
        action=str(doing.values["action"]),
        document_id=doing.subject.pk,
        actor=doing.actor,
        reason=doing.reason,
    )
    return f"To {PERMISSIONS[row.action].title} asks for training on {doing.subject} now."


def _drop(doing: Doing) -> str:
    row = drop_training(curriculum_id=doing.subject.pk, actor=doing.actor, reason=doing.reason)
    return f"{row.document} is asked for no longer."


def _at(*stages: DocumentStage) -> Callable[[DocumentRevision], bool]:
    return lambda row: row.stage in stages


def _always(_: ControlledDocument | Curriculum | None) -> bool:
    return True


TRAINING_ACTIONS = (
    Action(
        "draft-document", "documents", "New document", "Write a controlled document", "mes.draft_document", "file-text",
        _always, _draft_new, fields=_new_fields, main=True,
        help="It holds once somebody else has approved it.",
    ),
    Action(
        "draft-revision", "document", "New revision", "Write the next revision", "mes.draft_document", "file-text",
        _always, _draft_next, fields=lambda _: _file_fields(), main=True,
        help="It holds once somebody else has approved it. Until then the one before does.",
    ),
    Action(
        "require-training", "document", "Ask for it", "Ask for training on this document", "mes.set_curriculum",
        "school", _always, _ask, fields=_asking_fields,
    ),
    Action(
        "approve-revision", "revision", "Approve", "Approve this revision", "mes.approve_document", "writing-sign",
        _at(DocumentStage.DRAFT), _approve, fields=_approval_fields, meaning=Meaning.APPROVED, content=_approval_signs,
        main=True, help="It ends the revision before, and whoever was trained on that one alone is trained no longer.",
    ),
    Action(
        "withdraw-revision", "revision", "Withdraw", "Withdraw this revision", "mes.withdraw_document", "circle-x",
        _at(DocumentStage.DRAFT, DocumentStage.APPROVED), _withdraw, fields=_because, danger=True,
        help="What asks for the document is refused until another revision is in force.",
    ),
    Action(
        "record-training", "revision", "Record a training", "Record a training", "mes.record_training", "school",
        _at(DocumentStage.APPROVED), _record, fields=_training_fields, meaning=Meaning.PERFORMED,
        content=_training_signs, about=lambda _: None,
    ),
    Action(
        "attach-evidence", "revision", "Record one with evidence", "Attach the evidence of a training",
        "mes.record_training", "upload", _at(DocumentStage.APPROVED), _attach, fields=_evidence_fields,
        about=lambda _: None, help="The training is signed next, over this file.",
    ),
    Action(
        "drop-training", "curriculum", "Ask no longer", "Ask for this training no longer", "mes.set_curriculum",
        "circle-x", lambda row: not row.dropped, _drop, fields=_because, danger=True,
    ),
)  # fmt: skip
