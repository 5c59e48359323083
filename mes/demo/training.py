"""The demo's work instructions, what asks for them, and who was trained on them: through the services, each signed."""

from __future__ import annotations

from dataclasses import dataclass

from mes.choices import TrainingMethod
from mes.demo.people import actor, person, typed
from mes.eventlog.unit import unit_of_work
from mes.models import ControlledDocument, DocumentRevision
from mes.services.training import approve_document, draft_document, record_training, require_training


@dataclass(frozen=True)
class Instruction:
    """A document, the actions that ask for it, and the accounts that are trained on it."""

    number: str
    title: str
    text: str
    actions: tuple[str, ...]
    trained: tuple[str, ...]


INSTRUCTIONS = (
    Instruction(
        "WI-10",
        "Printing a resin guide",
        "Scan the container. Look at the plate. Start the print. Confirm that the plate is clear afterwards.",
        ("printing.load_container", "printing.operate_printer", "printing.clear_plate"),
        ("operator",),
    ),
    Instruction(
        "WI-20",
        "Washing and curing",
        "Wash, then cure, each within its limits. Write down what was measured.",
        ("quality.record_post_process_step",),
        ("finisher",),
    ),
    Instruction(
        "WI-30",
        "Inspecting a printed part",
        "Scan the whole surface. Look at the deviation map. Sign what was measured.",
        ("quality.receive_scan", "quality.sign_inspection"),
        ("inspector",),
    ),
)


def train() -> None:
    """Whatever of the instructions is not there yet. Safe to repeat."""
    known = set(ControlledDocument.objects.values_list("number", flat=True))
    for instruction in INSTRUCTIONS:
        if instruction.number not in known:
            introduce(instruction=instruction)


@unit_of_work
def introduce(*, instruction: Instruction) -> None:
    """Write and approve an instruction, train people on it, and only then ask for it."""
    revision = _approved(instruction)
    for username in instruction.trained:
        record_training(
            person_id=person(username).pk,
            revision_id=revision.pk,
            method=TrainingMethod.SHOWN,
            actor=actor("reviewer"),
            credentials=typed("reviewer"),
        )
    for action in instruction.actions:
        require_training(action=action, document_id=revision.document_id, actor=actor("reviewer"))


def _approved(instruction: Instruction) -> DocumentRevision:
    text = f"{instruction.number} revision A\n{instruction.title}\n\n{instruction.text}\n"
    revision = draft_document(
        number=instruction.number,
        title=instruction.title,
        revision="A",
        file=text.encode(),
        media_type="text/plain",
        actor=actor("control"),
    )
    return approve_document(revision_id=revision.pk, actor=actor("reviewer"), credentials=typed("reviewer"))
