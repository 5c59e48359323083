"""Nothing is signed over a record that the sealer does not sign: it refuses, or nobody hears of it (K-14, G-INT-01)."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db import connections

from mes import settings as of_a_site
from mes.choices import Meaning, Role
from mes.embedded.roles import Role as Login
from mes.eventlog.base import Actor
from mes.eventlog.sealing import Sealer, load_key
from mes.eventlog.unit import open_unit
from mes.eventlog.waiting import LATE, oldest_waiting
from mes.exceptions import SignatureRefused
from mes.models import EventRecord, Signature
from mes.services import signatures
from mes.services.signatures import Credentials, Together, sign
from tests.mes.logins import acting_as
from tests.mes.makers import make_signer, person_of
from tests.servers import Cluster

pytestmark = [pytest.mark.requirement("K-14"), pytest.mark.requirement("G-INT-01")]


def signed(actor: Actor, credentials: Credentials) -> Signature:
    with open_unit():
        return sign(
            subject=person_of(actor),
            content={"record": "tested"},
            meaning=Meaning.VERIFIED,
            actor=actor,
            credentials=credentials,
        )


def refused(actor: Actor, credentials: Credentials) -> str:
    """Why a signature is refused; nothing is written, and no failed try is counted."""
    before = (Signature.objects.count(), EventRecord.objects.count())
    with pytest.raises(SignatureRefused) as refusal:
        signed(actor, credentials)
    assert (Signature.objects.count(), EventRecord.objects.count()) == before
    (reason,) = refusal.value.reasons
    assert (reason.rule, "goes on with the next seal" in reason.cure) == ("G-INT-01", True)
    return reason.text


def test_nothing_is_signed_once_the_sealer_refused(
    committed_db: None, cluster: Cluster, tmp_path: Path
) -> None:
    actor, typed = make_signer(Role.QAX)
    with cluster.connect(Login.SEALER.login, connections.settings["default"]["NAME"]) as sealer:
        sealer.execute("UPDATE mes_seal_turn SET refusal = 'The leaves do not lead to their seal.'")
    assert "nothing is signed: The leaves do not lead" in refused(actor, typed), "though no sealer is at work"
    with acting_as(cluster, Login.SEALER.login):
        Sealer(load_key(tmp_path / "keys"), tmp_path / "seals.jsonl").seal_once()
    assert signed(actor, typed).pk


def test_nothing_is_signed_once_seals_are_overdue(
    committed_db: None, cluster: Cluster, tmp_path: Path, settings: LazySettings
) -> None:
    """No sealer runs, or it cannot: after an hour nobody knows what it would say. The next seal ends it by itself."""
    actor, typed = make_signer(Role.QAX)
    settings.SEALS_OVERDUE = timedelta(0)
    assert "Nothing was sealed for" in refused(actor, typed)
    with acting_as(cluster, Login.SEALER.login):
        Sealer(load_key(tmp_path / "keys"), tmp_path / "seals.jsonl").seal_once()
    assert signed(actor, typed).pk


@pytest.mark.django_db
def test_a_sealer_that_is_behind_for_seconds_stops_nobody(settings: LazySettings) -> None:
    assert of_a_site.SEALS_OVERDUE >= 10 * LATE
    settings.SEALS_OVERDUE = of_a_site.SEALS_OVERDUE
    actor, typed = make_signer(Role.QAX)
    waiting = oldest_waiting()
    assert waiting is not None
    assert signed(actor, typed).pk


@pytest.mark.django_db
def test_what_is_signed_together_asks_once(monkeypatch: pytest.MonkeyPatch) -> None:
    actor, typed = make_signer(Role.QAX)
    together, asked = Together(Meaning.VERIFIED), count()
    monkeypatch.setattr(signatures, "seal_faults", lambda: [] if next(asked) == 0 else ["asked again"])
    with open_unit():
        for _ in range(3):
            sign(
                subject=person_of(actor),
                content={"record": "tested"},
                meaning=Meaning.VERIFIED,
                actor=actor,
                credentials=Credentials(typed.username, typed.password, together=together),
            )
    assert next(asked) == 1
