"""The people of quality's stories."""

from __future__ import annotations

import pytest

from tests.quality.makers import Staff, make_staff


@pytest.fixture
def staff(db: None) -> Staff:
    return make_staff()
