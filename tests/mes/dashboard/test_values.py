"""What stands in the log, in a signed content and in the history of rows, as a reader sees it; pages that ask once."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mes.choices import Role
from mes.dashboard.changes import Changes, FieldChanged, RowChanged
from mes.models import Curriculum
from mes.permissions import PERMISSIONS
from mes.selectors import people_with
from mes.services.training import require_training
from mes.templatetags.values import changes_drawn, drawn
from mes.training import required_by_action, required_for
from tests.devices.makers import Staff, make_person
from tests.mes.dashboard.conftest import Visit
from tests.mes.dashboard.test_people_pages import in_force, opened

DIGEST = "0123456789abcdef" * 4
CUT = f'<code title="SHA-256 {DIGEST}">0123456789ab</code>'


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("it's <b>", "it&#x27;s &lt;b&gt;"),
        ("", "—"),
        (None, "—"),
        (True, "yes"),
        (DIGEST, CUT),
        ([], "none"),
        ({}, '<dl class="facts"></dl>'),
        ([1, "<i>", 2.5], "1, &lt;i&gt;, 2.5"),
        ([[1, 2], "a"], "<div>1, 2</div>a"),
        ({"<k>_mm": DIGEST}, f'<dl class="facts"><dt>&lt;k&gt; (mm)</dt><dd>{CUT}</dd></dl>'),
        ({"items": {"a": 1}}, '<dl class="facts"><dt>Items</dt><dd><dl class="facts"><dt>A</dt><dd>1</dd></dl></dd></dl>'),
        ([{"a": "x"}], '<div class="value-item"><dl class="facts"><dt>A</dt><dd>x</dd></dl></div>'),
    ],
    ids=str,
)  # fmt: skip
def test_a_value_is_drawn_with_everything_in_it_and_nothing_of_it_is_html(value: object, shown: str) -> None:
    assert drawn(value) == shown


@pytest.mark.requirement("P11-10e")
def test_a_changed_row_shows_what_it_was_and_what_it_is() -> None:
    moved = RowChanged("device <1>", written=False, fields=(FieldChanged("side", "<l>", "right"),))
    new = RowChanged("order 2", written=True, fields=(FieldChanged("need_by", None, "2026-01-31"),))
    shown = changes_drawn(Changes((moved, new)))
    assert "<h4>device &lt;1&gt;</h4>" in shown
    assert '<th scope="col">Before</th><th scope="col">After</th>' in shown
    assert '<th scope="row">Side</th><td class="old">&lt;l&gt;</td><td class="new">right</td>' in shown
    assert '<h4>order 2 <span class="muted">new</span></h4>' in shown
    assert '<th scope="row">Need by</th><td class="new">31 Jan 2026</td>' in shown
    assert "More rows" not in shown
    assert changes_drawn(Changes((moved,), more=True)).endswith("lists all.</p>")


@pytest.fixture
def reviewer(staff: Staff, as_: Visit) -> Client:
    return as_(staff[Role.QAR])


@pytest.mark.parametrize("page", ["/people/", "/people/{person}/", "/roles/"])
def test_pages_of_people_ask_no_more_where_there_are_more(staff: Staff, reviewer: Client, page: str) -> None:
    """However many people there are, roles they hold, actions there are and documents those ask for."""
    path = page.format(person=staff[Role.DSN].person.pk)
    reviewer.get(path)
    with CaptureQueriesContext(connection) as queries:
        opened(reviewer, path)
    assert len(queries) < 30
    make_person(Role.OPR, Role.PST, Role.INS)
    with CaptureQueriesContext(connection) as more:
        opened(reviewer, path)
    assert len(more) == len(queries)


@pytest.mark.requirement("P11-10k")
def test_the_table_of_actions_counts_people_and_names_documents(staff: Staff, reviewer: Client) -> None:
    revision = in_force(staff)
    for action in ("quality.record_post_process_step", "printing.operate_printer"):
        require_training(
            action=action, document_id=revision.document_id, actor=staff[Role.QAR].actor, reason="x"
        )
    now = timezone.now()
    asked = required_by_action(now)
    assert set(asked) == set(Curriculum.objects.values_list("action", flat=True))
    assert all(asked.get(action, ()) == required_for(action, now) for action in PERMISSIONS)
    page = opened(reviewer, "/roles/")
    for role in Role:
        assert (
            f'{role.label} <code>{role.value}</code></td><td class="n">{people_with(role).count()}</td>'
            in page
        )
    assert page.count(str(revision)) == 2
