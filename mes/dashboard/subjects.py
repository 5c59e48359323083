"""What a dialog is about, by the page that opens it: the row behind a code, and where the browser goes afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import Model, Q
from django.http import Http404
from django.urls import reverse

from devices.models import DicomPeer
from mes.dashboard.find import KINDS, number_of
from mes.dashboard.records import PAGES
from mes.models import (
    ControlledDocument,
    Curriculum,
    DocumentRevision,
    Person,
    RestoreDrill,
    RoleGrant,
)
from mes.scope import Viewer, visible

LISTS = frozenset(
    {
        "gauges",
        "peers",
        "lots",
        "builds",
        "orders",
        "audit-review",
        "retention",
        "documents",
        "curricula",
        "people",
    }
)
LETTER_OF = {page: letter for letter, page in PAGES.items()}
LONGEST_NUMBER = 18


@dataclass(frozen=True)
class Kept:
    """A kind without a letter of its own: `by` finds its row by what stands in the address, `page` leads back."""

    model: type[Model]
    by: Callable[[str], Q]
    page: Callable[[Any], str]


def _numbered(code: str) -> Q:
    if not (code.isascii() and code.isdigit() and len(code) <= LONGEST_NUMBER):
        raise Http404
    return Q(pk=int(code))


def _revision(code: str) -> Q:
    number, _, revision = code.rpartition(":")
    return Q(document__number=number, revision=revision)


KEPT = {
    "person": Kept(Person, _numbered, lambda row: reverse("person", args=[row.pk])),
    "grant": Kept(RoleGrant, _numbered, lambda row: reverse("person", args=[row.person_id])),
    "document": Kept(
        ControlledDocument, lambda code: Q(number=code), lambda row: reverse("document", args=[row.number])
    ),
    "revision": Kept(
        DocumentRevision, _revision, lambda row: reverse("document", args=[row.document.number])
    ),
    "drill": Kept(RestoreDrill, _numbered, lambda row: reverse("safekeeping")),
    "peer": Kept(DicomPeer, _numbered, lambda row: reverse("peers")),
    "curriculum": Kept(Curriculum, _numbered, lambda row: reverse("curricula")),
}


def found(page: str, code: str, viewer: Viewer) -> Model | None:
    """The row that a dialog is about, for somebody who may know it; None for a dialog of a list. Raises Http404."""
    if page in LISTS:
        return None
    model, sought = _sought(page, code)
    row = visible(model._default_manager.all(), viewer).filter(sought).first()
    if row is None:
        raise Http404
    return row


def _sought(page: str, code: str) -> tuple[type[Model], Q]:
    if page in KEPT:
        return KEPT[page].model, KEPT[page].by(code)
    if page not in LETTER_OF:
        raise Http404
    return KINDS[LETTER_OF[page]][0], Q(pk=number_of(code, LETTER_OF[page]))


def page_of(page: str, code: str, row: Model | None) -> str:
    """Where the browser goes after an action on a row."""
    if page in LISTS:
        return reverse(page)
    return KEPT[page].page(row) if page in KEPT else reverse(page, args=[code])


def page_is_named(page: str) -> bool:
    """Whether a dialog says what it is about by name: its code alone would say nothing."""
    return page in KEPT
