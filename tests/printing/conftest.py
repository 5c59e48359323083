"""Fixtures of printing: a folder for simulated machines, and a fleet that runs in a thread."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from printing.models import FleetLease
from printing.services.fleet.process import Fleet
from printing.services.fleet.session import Pace
from tests.patience import PATIENCE_S

QUICK = Pace(poll_s=0.05, contact_s=0.2, back_off_s=0.1, longest_back_off_s=0.3)
"""Looks often, and waits for answers as long as in earnest: a busy test machine is not a silent printer."""

HASTY = replace(QUICK, answer_s=0.5, stale=timedelta(seconds=0.8))
"""For tests of silent machines: a reading that does not come at once is none."""

SHORT = replace(QUICK, command_s=1.5)
"""For tests of lost answers: a command that is not answered soon is uncertain."""


@pytest.fixture(autouse=True)
def machines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Simulated machines of a test live in a folder of its own."""
    monkeypatch.setattr(settings, "VAR_DIR", tmp_path)
    return tmp_path / "simulated"


Running = Callable[..., AbstractContextManager[Fleet]]


@pytest.fixture
def fleet(committed_db: None) -> Running:
    """`with fleet():` a fleet process drives the printers, in a thread."""

    @contextmanager
    def running(pace: Pace = QUICK) -> Iterator[Fleet]:
        # The makers speak as a fleet of their own; its lease must not be waited for.
        FleetLease.objects.update(until=timezone.now())
        stop = threading.Event()
        made: list[Fleet] = []
        failures: list[BaseException] = []

        async def drive() -> None:
            made.append(Fleet(pace))
            await made[0].run(stop)

        def work() -> None:
            try:
                asyncio.run(drive())
            except BaseException as failure:  # noqa: BLE001 - raised again in the test
                failures.append(failure)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            until(lambda: (bool(made) and made[0].epoch > 0) or bool(failures))
            yield made[0]
        finally:
            stop.set()
            thread.join(PATIENCE_S)
        if failures:
            raise failures[0]

    return running


def until(holds: Callable[[], bool], seconds: float = PATIENCE_S) -> None:
    """Wait until something holds. Fails with the condition's name where it does not."""
    ends = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > ends:
            raise AssertionError(f"did not hold within {seconds} s")
        time.sleep(0.05)
