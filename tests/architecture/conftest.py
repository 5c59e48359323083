"""The story of who may come through which door."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.test import override_settings

from mes.dashboard import sessions
from tests.architecture.access_story import Story
from tests.scenes import told


@pytest.fixture
def story(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    """Told once for all who ask for it.

    That somebody was there is not noted: no session may grow idle while the matrix is asked, nor be noted again by every
    call of somebody whose last one was half a minute ago.
    """
    monkeypatch.setattr(sessions, "NOTE_EVERY", timedelta(days=1))
    with override_settings(IDLE=timedelta(days=1)):
        found = told("doors")
        assert isinstance(found, Story)
        yield found
