"""Words that name a patient: what counts, and that no service keeps them (K-13)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from hashlib import sha256
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from mes.choices import HoldStage, Meaning, Role
from mes.eventlog.base import Actor
from mes.eventlog.unit import Cause, caused_by
from mes.exceptions import InvalidInput, SignatureRefused
from mes.models import EmergencyAccess, EventRecord, IdentityView, LegalHold, Patient
from mes.naming import Text, names
from mes.services.artefacts import artefact_path
from mes.services.emergency import break_glass
from mes.services.erasure import refuse_erasure, request_erasure
from mes.services.holds import place_hold, propose_release
from mes.services.patients import Identity
from mes.services.signing_handwritten import upload_handwritten
from mes.services.viewing import view_identity
from tests.mes.makers import make_paper, make_patient, make_person, make_signer

JANE = Identity("LAM-DEMO-0001", "Zyxcanary-Müller", "Anna Maria", "1950-01-02")
LI = Identity("12", "Li", "An", "1990-12-31")
HAN = Identity("MRN 4711", "李", "小龍", "1990-12-31")
ONEIL = Identity("MRN 4711", "O'Neil", "J", "1990-12-31")


@pytest.mark.requirement("K-13")
@pytest.mark.parametrize(
    ("who", "text"),
    [
        *((JANE, text) for text in (
            "The patient Zyxcanary asks by letter", "zyxcanary's letter", "ZYXCANARY", "for muller", "for Mueller",
            "Dr. María called", "number LAM DEMO 0001", "lamdemo0001", "born 1950-01-02", "born 2.1.1950", "02/01/50",
            "19500102", "2 January 1950", "January 2nd, 1950", "Jan 2, 1950", "Zyxcanarys Akte", "Müllers Brief",
            "2. Jänner 1950", "2 janvier 1950", "2 de enero de 1950", "2.I.1950", "2Jan1950", "19500102T0900", "2nd of January 50",
        )),
        *((LI, text) for text in ("Mr Li asks", "wei an li", "An Li", "LI")),
        (HAN, "患者李小龍要求"),
        *((ONEIL, text) for text in ("ONeil", "O’Neil's aunt", "o neil")),
    ],
)  # fmt: skip
def test_a_name_counts_however_it_is_written(who: Identity, text: str) -> None:
    assert names(who, Text.of(text))


@pytest.mark.requirement("K-13")
@pytest.mark.parametrize(
    ("who", "text"),
    [
        (JANE, "Zyxcanaryson asks for PK3J9 and O0000001"),
        (JANE, "2.1 mm thick, 1950 layers, order 1950"),
        (LI, "the li battery of an unreliable printer, 12 of 12"),
        (HAN, "患者要求"),
        (ONEIL, "J is missing, and so is 4711"),
    ],
)
def test_an_ordinary_word_is_no_name(who: Identity, text: str) -> None:
    assert not names(who, Text.of(text))


LONG = (
    "UDI (01)04012345678901(17)261130 unreadable on the pouch",
    "surgeon calls from +43 1 4277123456",
    "9" * 5000,
)
"""What a scanner reads, a telephone number, and what nobody means."""


@pytest.mark.requirement("K-13")
@pytest.mark.parametrize("text", LONG)
def test_a_long_number_is_no_date(text: str) -> None:
    for words in (text, f"1 2 {text} 1 2", f"may 2 {text} may 2"):
        assert not names(JANE, Text.of(words))


PARTS = st.one_of(
    st.integers(0, 10**40).map(str),
    st.sampled_from(["may", "I", "2nd", "1950", "de", "\u0301", "٣", "²"]),
    st.text(),
)


@pytest.mark.requirement("K-13")
@given(st.lists(PARTS, max_size=6).map(" ".join))
@hypothesis_settings(max_examples=60)
def test_whatever_is_said_has_an_answer(text: str) -> None:
    assert names(JANE, Text.of(f"{text} 1950-01-02"))
    assert names(JANE, Text.of(text)) in (True, False)


def test_marks_alone_are_no_words() -> None:
    assert Text.of("\u0301 " * 4000 + "x").words == ("x",)


def test_who_has_to_be_named_may_share_a_name_with_the_patient() -> None:
    assert not names(JANE, Text.of("Dr. Anna Weber"), of_person=True)
    assert names(JANE, Text.of("Anna Maria Zyxcanary-Müller"), of_person=True)


# --- in the services

NAMING = "The patient Zyxcanary asks by letter"


@pytest.fixture
def patient(db: None) -> Patient:
    return make_patient("MRN 4711", "Zyxcanary")


def acting(*roles: Role) -> Actor:
    return Actor.person(make_person(*roles).pk)


def ways(patient: Patient) -> dict[str, Callable[[str], Any]]:
    """What somebody may say about a patient, each by its service."""
    today = timezone.localdate()
    officer, quality, records = make_signer(Role.PRV), acting(Role.QAR), make_signer(Role.REC)
    asked = request_erasure(patient=patient, reason="By letter", actor=officer[0])
    hold: dict[str, Any] = {"subject": patient, "actor": quality, "review_on": today + timedelta(days=30)}
    held = place_hold(reason="A claim", requester="Counsel", **hold)
    return {
        "end of a hold": lambda text: propose_release(
            hold_id=held.pk, reason=text, actor=records[0], credentials=records[1]
        ),
        "view": lambda text: view_identity(patient=patient, reason=text, actor=acting(Role.ORD)),
        "emergency": lambda text: break_glass(patient=patient, reason=text, actor=acting(Role.OPR)),
        "refused erasure": lambda text: refuse_erasure(
            request_id=asked.pk, role=Role.PRV, reason=text, actor=officer[0], credentials=officer[1]
        ),
        "hold": lambda text: place_hold(reason=text, requester="Counsel", **hold),
        "who was told": lambda text: place_hold(reason="A claim", requester="Counsel", notified=text, **hold),
        "who asked": lambda text: place_hold(reason="A claim", requester=text.replace("The patient", "Alex"), **hold),
    }  # fmt: skip


@pytest.mark.requirement("K-13")
@pytest.mark.requirement("P11-10e")
def test_nothing_that_is_said_of_a_patient_names_them(patient: Patient) -> None:
    doing = ways(patient)
    facts = EventRecord.objects.count()
    for way, say in doing.items():
        with pytest.raises(InvalidInput, match=r"K-13: .* token or the case code") as refusal:
            say(NAMING)
        assert "Zyxcanary" not in str(refusal.value), way
    assert not IdentityView.objects.exists()
    assert not EmergencyAccess.objects.exists()
    assert [hold.stage for hold in LegalHold.objects.all()] == [HoldStage.ACTIVE]
    told = EventRecord.objects.order_by("pos")[facts:]
    assert not any("Zyxcanary" in one.payload + one.reason for one in told)
    assert doing["view"](f"The person behind {patient.token} asks").family_name == "Zyxcanary"


@pytest.mark.requirement("EV-10")
def test_who_guesses_a_name_has_searched(patient: Patient) -> None:
    """The refusal tells whom the patient's name is none of their business that they guessed it; others know it."""
    searches = EventRecord.objects.filter(type="mes.patient_looked_up")
    for role, noted in ((Role.ORD, 0), (Role.OPR, 1)):
        before = searches.count()
        with pytest.raises(InvalidInput, match="K-13"):
            break_glass(patient=patient, reason=NAMING, actor=acting(role))
        assert searches.count() - before == noted


@pytest.mark.requirement("K-13")
def test_a_comment_that_is_signed_names_nobody(patient: Patient) -> None:
    actor, typed = make_signer(Role.PRV)
    asked = request_erasure(patient=patient, reason="By letter", actor=actor)
    refuse = partial(refuse_erasure, request_id=asked.pk, role=Role.PRV, reason="A duty to keep", actor=actor)
    for comment, refused in ((NAMING, "K-13"), ("\u200b", "U\\+200B")):
        with pytest.raises((InvalidInput, SignatureRefused), match=refused):
            refuse(credentials=type(typed)(typed.username, typed.password, comment=comment))
    refuse(credentials=typed)


@pytest.mark.django_db
def test_a_paper_names_its_signer_and_not_the_patient(patient: Patient) -> None:
    upload: Callable[..., Any] = partial(
        upload_handwritten,
        subject=patient,
        meaning=Meaning.PRESCRIBED,
        executed_on=date(2026, 11, 2),
        actor=acting(Role.ORD),
    )
    scan = make_paper(str(uuid4()))
    with pytest.raises(InvalidInput, match="K-13"):
        upload(printed_name="Alex Zyxcanary", scan=scan)
    assert not artefact_path(sha256(scan).hexdigest()).exists()


@pytest.mark.django_db
def test_what_a_handler_repeats_is_not_compared_again(patient: Patient) -> None:
    """A hold that follows from another one is not lost because that was about somebody else."""
    with caused_by(Cause(uuid4(), event=uuid4())):
        break_glass(patient=patient, reason=NAMING, actor=acting(Role.OPR))
    assert EmergencyAccess.objects.get().reason == NAMING
