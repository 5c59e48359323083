"""Changes since the own last review: listed up to a seal, and signed (P11-10e)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest
from django.test import Client

from mes.choices import Meaning, Role
from mes.embedded.roles import Role as Login
from mes.eventlog.base import Actor
from mes.eventlog.historycheck import check_history
from mes.eventlog.sealing import Sealer, load_key
from mes.eventlog.subscriptions import SlotDue
from mes.eventlog.unit import open_unit, publish
from mes.exceptions import Conflict, NotPermitted, SignatureRefused
from mes.models import Account, AuditReview, EventRecord, Person, Schedule, Seal, Signature
from mes.services.people import register_person
from mes.services.reviews import review_audit_trail, review_content, unreviewed
from mes.services.signatures import Credentials, content_digest
from tests.mes.logins import acting_as
from tests.mes.makers import PASSWORD, SYSTEM, make_person, make_signer, take_back
from tests.servers import Cluster

pytestmark = pytest.mark.requirement("P11-10e")


@pytest.fixture
def seal(committed_db: None, cluster: Cluster, tmp_path: Path) -> Callable[[], int]:
    def seal_once() -> int:
        with acting_as(cluster, Login.SEALER.login):
            return Sealer(load_key(tmp_path), tmp_path / "seals.jsonl").seal_once()

    return seal_once


@pytest.fixture
def reviewer(committed_db: None) -> tuple[Actor, Credentials]:
    return make_signer(Role.QAR)


def review(who: tuple[Actor, Credentials], findings: str = "") -> AuditReview:
    actor, typed = who
    size = Seal.objects.latest("tree_size").tree_size
    shown = content_digest(review_content(actor.person_id, size, findings))
    signed = Credentials(typed.username, typed.password, digest=shown)
    return review_audit_trail(tree_size=size, findings=findings, actor=actor, credentials=signed)


def test_each_review_begins_where_the_own_last_one_ended(
    reviewer: tuple[Actor, Credentials], seal: Callable[[], int]
) -> None:
    seal()
    first = review(reviewer, "Nothing to note.")
    assert (first.first_leaf, first.root) == (0, Seal.objects.get(tree_size=first.tree_size).root)
    other = make_signer(Role.QAX)
    seal()
    second = review(reviewer)
    assert second.first_leaf == first.tree_size
    assert review(other).first_leaf == 0
    signature = Signature.objects.get(subject_type="mes.audit_review", subject_id=str(first.pk))
    assert signature == first.signature
    assert signature.meaning == Meaning.REVIEWED
    assert json.loads(signature.content)["root"] == first.root
    event = EventRecord.objects.get(type="mes.audit_trail_reviewed", stream_id=str(first.pk))
    assert json.loads(event.payload)["signature_id"] == signature.pk
    assert list(check_history()) == []
    take_back(first.signature, reviewer)
    assert unreviewed(reviewer[0].person_id).first_leaf == 0
    seal()
    third = review(reviewer)
    assert (third.first_leaf, unreviewed(reviewer[0].person_id).events) == (0, 0)


def test_nothing_new_cannot_be_reviewed(reviewer: tuple[Actor, Credentials], seal: Callable[[], int]) -> None:
    seal()
    review(reviewer)
    with pytest.raises(Conflict, match="Nothing was sealed"):
        review(reviewer)
    with pytest.raises(Conflict, match="no such seal"):
        unreviewed(reviewer[0].person_id, 10_000)


def test_who_may_not_read_it_may_not_review_it(committed_db: None, seal: Callable[[], int]) -> None:
    operator = make_signer(Role.OPR)
    seal()
    with pytest.raises(NotPermitted):
        review(operator)
    assert not AuditReview.objects.exists()


def test_who_sees_the_events_of_some_orders_does_not_sign_for_all(
    committed_db: None, seal: Callable[[], int]
) -> None:
    visitor = make_signer(Role.AUD)
    Person.objects.filter(pk=visitor[0].person_id or 0).update(external=True)
    seal()
    with pytest.raises(NotPermitted, match="tells of every order"):
        review(visitor)
    client, other = Client(), make_person()
    client.force_login(Account.objects.get(username=visitor[1].username))
    page = client.get("/audit-trail/").content.decode()
    assert f'<option value="{visitor[0].person_id}"' in page
    assert f'<option value="{other.pk}"' not in page
    assert not AuditReview.objects.exists()


def test_the_content_counts_what_was_listed_and_what_of_the_clock_was_not(
    reviewer: tuple[Actor, Credentials], seal: Callable[[], int]
) -> None:
    schedule = Schedule.objects.create(job="test job")
    with open_unit():
        publish(schedule, SlotDue(job="test job", due_at="2026-11-22T00:00:00Z"), actor=SYSTEM)
    seal()
    size = Seal.objects.get().tree_size
    client = Client()
    client.force_login(Account.objects.get(username=reviewer[1].username))
    counted = ("events", "clock_events_not_listed")
    for query, ticks, count in (("", False, [size - 1, 1]), ("?ticks=on", True, [size, 0])):
        content = review_content(reviewer[0].person_id, size, "", ticks=ticks)
        html = client.get(f"/audit-trail/review/{query}").content.decode()
        assert [content[name] for name in counted] == count
        assert len(positions(html)) == content["events"]
        (address,) = re.findall(r'hx-get="(/act/audit-review/[^"]*)"', html)
        assert content_digest(content) in client.get(unescape(address)).content.decode()
    for query in ("action=mes.slot_due", "person=system", "record=nonsense", "since=2026-01-01"):
        html = client.get(f"/audit-trail/review/?{query}").content.decode()
        assert "/act/audit-review/" not in html, query
        assert "A filter is on" in html


def test_a_wrong_password_reviews_nothing(
    reviewer: tuple[Actor, Credentials], seal: Callable[[], int]
) -> None:
    seal()
    actor, typed = reviewer
    with pytest.raises(SignatureRefused):
        review((actor, Credentials(typed.username, "wrong")))
    assert not AuditReview.objects.exists()


# --- the page


@pytest.fixture
def page(reviewer: tuple[Actor, Credentials], seal: Callable[[], int]) -> Client:
    register_person(full_name="Ada Example", actor=SYSTEM)
    seal()
    client = Client()
    client.force_login(Account.objects.get(username=reviewer[1].username))
    return client


def positions(html: str) -> list[int]:
    return [int(found) for found in re.findall(r'<td class="n muted">(\d+)<', html)]


def test_the_page_lists_what_is_new_and_the_dialog_signs_it(
    page: Client, reviewer: tuple[Actor, Credentials], seal: Callable[[], int]
) -> None:
    size = Seal.objects.get().tree_size
    sealed = list(
        EventRecord.objects.filter(leaf__index__lt=size).order_by("-pos").values_list("pos", flat=True)
    )
    html = page.get("/audit-trail/review/").content.decode()
    assert positions(html) == sealed
    assert "You have not reviewed the trail yet." in html
    (address,) = re.findall(r'hx-get="(/act/audit-review/[^"]*)"', html)
    dialog = page.get(address).content.decode()
    (digest,) = re.findall(r'name="digest" value="([0-9a-f]{64})"', dialog)
    make_person()
    seal()
    answer = page.post(
        address.split("?")[0],
        {
            "tree_size": str(len(sealed)),
            "findings": "",
            "username": reviewer[1].username,
            "password": PASSWORD,
            "digest": digest,
        },
        headers={"HX-Request": "true"},
    )
    assert answer.status_code == 204, answer.content.decode()
    assert AuditReview.objects.get().tree_size == len(sealed)
    left = positions(page.get("/audit-trail/review/").content.decode())
    assert set(left).isdisjoint(sealed)
    assert left


def test_older_pages_of_a_review_end_at_the_same_seal(page: Client, seal: Callable[[], int]) -> None:
    size = Seal.objects.get().tree_size
    make_person()
    seal()
    assert len(positions(page.get(f"/audit-trail/review/?up_to={size}").content.decode())) == size
    assert f"up_to={size}" in page.get(f"/audit-trail/review/?up_to={size}").content.decode()
    assert page.get("/audit-trail/review/?up_to=4711").status_code == 409


def test_the_trail_shows_old_and_new_values_side_by_side(page: Client) -> None:
    html = page.get("/audit-trail/").content.decode()
    assert "Ada Example" in html
    assert "not shown" in html  # the password of the account
    assert "argon2" not in html
