"""Heavy libraries wait until they are used, and every name that was put off exists."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mes.lazy import LAZY, lazily, load_now

HEAVY = ("open3d", "pydicom", "SimpleITK", "nibabel", "weasyprint", "vtkmodules.vtkFiltersCore")


def test_a_process_starts_without_the_heavy_libraries() -> None:
    asked = f"import django, sys; django.setup(); print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_every_library_that_was_put_off_can_be_loaded() -> None:
    load_now()
    assert set(LAZY) <= set(sys.modules)


def test_a_misspelt_library_fails_when_it_is_used() -> None:
    module = lazily("no_such_library")
    LAZY.remove("no_such_library")
    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        _ = module.anything
