"""The stack as a context: a refused second one leaves the first one's log alone, and its end is seen."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from mes.embedded.locks import PlaceLock
from mes.management.commands.demo import await_stop, require_good_end
from mes.supervisor import stack, status
from mes.supervisor.stack import StackFailed, running_stack
from tests.patience import PATIENCE_S

STAND_IN = """
import json, signal, sys, threading
from pathlib import Path
import os
run = Path(os.environ["LAMINA_VAR"]) / "run"
run.mkdir(parents=True, exist_ok=True)
stop = threading.Event()
signal.signal(signal.SIGINT, lambda *_: stop.set())
signal.signal(signal.SIGTERM, lambda *_: stop.set())
print("up | it runs", flush=True)
said = {"supervisor": os.getpid(), "state": "running", "address": "http://x", "processes": {}}
(run / "stack.json").write_text(json.dumps(said))
stop.wait()
"""


@pytest.fixture
def place(tmp_path: Path) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LAMINA_")}
    return inherited | {"LAMINA_VAR": str(tmp_path / "var"), "DJANGO_SETTINGS_MODULE": "mes.settings"}


def test_a_refused_second_stack_leaves_the_log_of_the_first(place: dict[str, str]) -> None:
    var = Path(place["LAMINA_VAR"])
    log = var / "log" / "up.log"
    log.parent.mkdir(parents=True)
    log.write_text("what the first one said\n")
    (var / "run").mkdir()
    lock = PlaceLock(var / "run" / "up.lock", "Lamina")
    with pytest.raises(StackFailed, match="already runs"), running_stack(quiet=True, environment=place):
        pass
    assert lock is not None
    assert log.read_text() == "what the first one said\n"
    assert [path.name for path in log.parent.iterdir()] == ["up.log"]


def test_the_log_of_a_stack_that_runs_is_its_own_and_its_end_is_seen(
    place: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "up.py"
    script.write_text(STAND_IN)
    monkeypatch.setattr(stack, "MANAGE", script)
    log = Path(place["LAMINA_VAR"]) / "log" / "up.log"
    told: list[str] = []
    with running_stack(quiet=True, tell=told.append, environment=place) as running:
        assert log.read_text() == "up | it runs\n"
        assert not running.ended
        os.kill(running.supervisor, signal.SIGINT)
        running.await_end(seconds=PATIENCE_S)
        assert running.ended
        await_stop(running, threading.Event())
        good = {"device": "D0000001", "stage": "released", "ledger": "VALID"}
        require_good_end(running, good)
        for said, worse in {"FINDINGS": {"ledger": "FINDINGS"}, "in_review": {"stage": "in_review"}}.items():
            with pytest.raises(StackFailed, match=said):
                require_good_end(running, good | worse)
        running.process.returncode = 1
        with pytest.raises(StackFailed, match="did not end well"):
            require_good_end(running, good)
    assert status.read(log.parent.parent / "run") is not None
