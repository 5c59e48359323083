"""The people of quality's stories."""

from __future__ import annotations

import pytest

from quality.services import measurement
from tests.quality.makers import Staff, make_staff


@pytest.fixture
def staff(db: None) -> Staff:
    return make_staff()


@pytest.fixture
def whole_map() -> None:
    """Asked for by a test that looks at the picture of a deviation map."""


@pytest.fixture(autouse=True)
def small_map(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few look at the picture of a map: it is drawn with a sixteenth of the points."""
    if "whole_map" not in request.fixturenames:
        monkeypatch.setattr(measurement, "PICTURE_SIZE", (225, 160))
