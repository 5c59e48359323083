"""The pages of documents, trainings and people on a phone and at a desk, and a training recorded by hand."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from mes.choices import Role
from mes.models import TrainingRecord
from mes.services.training import approve_document, draft_document, require_training
from tests.browser.conftest import Open, Theme
from tests.browser.steps import sound
from tests.devices.makers import PASSWORD, Who, make_person

pytestmark = pytest.mark.browser
ACTION = "quality.record_post_process_step"


def school(quality: Who) -> Who:
    """A document in force, the next revision as a draft, an action that asks for it, and somebody who lacks it."""
    writer, learner = (
        make_person(Role.QCM),
        make_person(Role.PST, name="Lena Long-Surname of the Washing Room"),
    )
    for revision in ("A", "B"):
        row = draft_document(
            number="WI-12",
            title="Washing of parts after the print, with every solvent that is allowed",
            revision=revision,
            file=b"Wash",
            media_type="text/plain",
            actor=writer.actor,
        )
        if revision == "A":
            approve_document(revision_id=row.pk, actor=quality.actor, credentials=quality.typed())
            require_training(action=ACTION, document_id=row.document_id, actor=quality.actor, reason="New")
    return learner


LOOKS: list[tuple[Theme, int]] = [("dark", 390), ("light", 1280)]


def test_the_pages_of_trainings_and_people_keep_the_house_rules(committed_db: None, open_as: Open) -> None:
    quality = make_person(Role.QAR)
    learner = school(quality)
    page = open_as(quality)
    paths = (
        "training/",
        "training/documents/",
        "training/needed/",
        "training/WI-12/",
        f"people/{learner.person.pk}/",
    )
    for path in (*paths, "training/documents/?q=zzz", "training/?document=zzz"):
        page.goto(f"/{path}")
        sound(page, LOOKS)


def test_a_training_is_recorded_by_hand_on_a_phone(committed_db: None, open_as: Open) -> None:
    quality = make_person(Role.QAR)
    learner = school(quality)
    page = open_as(quality, width=390)
    page.goto("/training/WI-12/")
    page.get_by_role("button", name="Record a training").click()
    page.get_by_label("Who was trained").select_option(str(learner.person.pk))
    expect(page.locator("#signed")).to_contain_text(str(learner.person))
    page.get_by_label("User id").fill(quality.username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign: record a training").click()
    expect(page.get_by_role("status").filter(has_text="is on record")).to_be_visible()
    assert TrainingRecord.objects.get().person == learner.person
