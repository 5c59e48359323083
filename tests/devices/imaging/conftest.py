"""What the tests of reading images share."""

from __future__ import annotations

import pytest

from devices.imaging import geometry


@pytest.fixture
def tiny_series(monkeypatch: pytest.MonkeyPatch) -> None:
    """Series of a few slices are read: published test images are small, and what is looked at is not their number."""
    monkeypatch.setattr(geometry, "MINIMUM_SLICES", 2)
    monkeypatch.setattr(geometry, "MINIMUM_EXTENT_MM", 0.0)
