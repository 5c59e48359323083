"""A signed-in browser without a browser."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from mes.choices import Role
from mes.models import Account
from tests.devices.makers import Staff, Who

Visit = Callable[[Who], Client]


@pytest.fixture
def staff(db: None) -> Staff:
    return Staff()


@pytest.fixture
def as_(db: None) -> Visit:
    """A client of this person, signed in."""

    def signed_in(who: Who) -> Client:
        client = Client()
        client.force_login(Account.objects.get(username=who.username))
        return client

    return signed_in


@pytest.fixture
def coordinator(staff: Staff, as_: Visit) -> Client:
    return as_(staff[Role.ORD])
