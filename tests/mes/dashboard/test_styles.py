"""Tabler's styles are cut down to what the pages can name; the written file is that cut, of the locked version."""

import shutil
import subprocess

import pytest
from django.conf import settings

TABLER = settings.BASE_DIR / "mes" / "static" / "lamina" / "css" / "tabler.css"


def test_the_styles_are_what_the_pages_use() -> None:
    node = shutil.which("node")
    if not node or not (settings.NODE_MODULES / "purgecss").is_dir():
        pytest.skip("no Node here, or the front-end packages are not installed")
    command = [node, "deploy/styles.mjs"]
    made = subprocess.run(command, cwd=settings.BASE_DIR, capture_output=True, text=True, check=True)
    assert made.stdout == TABLER.read_text(), "run: make styles"
