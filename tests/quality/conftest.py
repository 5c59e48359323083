"""The people of quality's stories."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests import scenes
from tests.quality.makers import Staff, make_staff


@pytest.fixture(autouse=True)
def files_of_the_scene(tmp_path: Path, settings: Any) -> None:
    """What the scene's story stored, as the test's own to harm."""
    if stored := scenes.files():
        settings.ARTEFACTS_DIR = tmp_path / "stored"
        shutil.copytree(stored, settings.ARTEFACTS_DIR)


@pytest.fixture
def staff(db: None) -> Staff:
    return make_staff()
