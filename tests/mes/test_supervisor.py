"""The supervisor: what dies is started again, what stops is stopped in order, nothing stays behind."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mes.supervisor import status
from mes.supervisor.log import Log
from tests import servers
from tests.patience import PATIENCE_S

# Runs programs that a test describes: stages of {name, code, …}, each a Python one-liner of its own.
DRIVER = """
import json, re, sys
from pathlib import Path
import signal
from mes.embedded.account import bound
from mes.supervisor.program import Program
from mes.supervisor.supervisor import Supervisor

def program(name, code, ready_line=None, before=None, **more):
    if before:
        more["before"] = lambda: exec(before)
    argv = lambda: bound([sys.executable, "-u", "-c", code], on_parent_death=signal.SIGKILL)
    pattern = re.compile(ready_line) if ready_line else None
    return Program(name=name, argv=argv, waits_for=f"{name} is there", ready_line=pattern, **more)

place = Path(sys.argv[1])
stages = [[program(**entry) for entry in stage] for stage in json.loads(sys.argv[2])]
sys.exit(Supervisor(stages, run_folder=place, log_folder=place).run())
"""
STEADY = "import time; print('ready'); time.sleep(600)"
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def run(*stages: list[dict[str, Any]]) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", DRIVER, str(tmp_path), json.dumps(stages)]
        process = subprocess.Popen(
            command, cwd=servers.BASE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def _until(met: Callable[[], bool], seconds: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline, "it did not come to that in time"
        time.sleep(0.05)


def _running(place: Path) -> dict[str, int]:
    """Name to process id once the whole stack is up, else nothing."""
    found = status.read(place)
    if found is None or found.state != "running":
        return {}
    return {
        name: entry.pid for name, entry in found.processes.items() if entry.pid and entry.state == "running"
    }


def _alive(pid: int) -> bool:
    """A process that has ended but was not asked about yet has no working folder any more."""
    return Path(f"/proc/{pid}/cwd").exists()


def _steady(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "code": STEADY, "ready_line": "ready"} | more


def test_what_is_killed_is_started_again_and_the_rest_left_alone(start: Start, tmp_path: Path) -> None:
    start([_steady("one")], [_steady("two")])
    _until(lambda: len(_running(tmp_path)) == 2)
    before = _running(tmp_path)
    os.kill(before["two"], signal.SIGKILL)
    _until(lambda: _running(tmp_path).get("two", before["two"]) != before["two"])
    after = _running(tmp_path)
    assert after["one"] == before["one"]
    found = status.read(tmp_path)
    assert found is not None
    assert (found.processes["one"].restarts, found.processes["two"].restarts) == (0, 1)


def test_a_full_disk_costs_lines_and_a_late_word_and_ends_nothing(start: Start, tmp_path: Path) -> None:
    """`/dev/full` is where a log and the status file are written. What runs, runs on; what dies is started again."""
    (tmp_path / "two.log").symlink_to("/dev/full")
    noisy = f"import os; open({str(tmp_path / 'pids')!r}, 'a').write(f'{{os.getpid()}}\\n')\nprint('x' * 200_000)\n"
    process = start([_steady("one")], [_steady("two", code=noisy + STEADY)])
    _until(lambda: len(_running(tmp_path)) == 2)
    before = _running(tmp_path)
    unwritable = tmp_path / f".stack.json.{process.pid}"
    unwritable.symlink_to("/dev/full")
    os.kill(before["two"], signal.SIGKILL)
    _until(lambda: len((tmp_path / "pids").read_text().splitlines()) == 2)
    assert process.poll() is None
    assert _running(tmp_path) == before
    unwritable.unlink()
    _until(lambda: _running(tmp_path).get("two", before["two"]) != before["two"])
    assert _running(tmp_path)["one"] == before["one"]


def test_a_log_says_what_a_full_disk_did_not_take(tmp_path: Path) -> None:
    path = tmp_path / "one.log"
    path.mkdir()
    with Log(path) as log:
        log.write(b"lost\n")
        path.rmdir()
        log.write(b"kept\n")
    assert path.read_bytes() == b"\n[5 bytes were not kept: the disk took none]\nkept\n"


def test_it_stops_in_reverse_order_and_waits_for_each_to_drain(start: Start, tmp_path: Path) -> None:
    leaving = textwrap.dedent("""
        import pathlib, signal, sys, time
        def leave(*_):
            time.sleep(0.3)
            with open({path!r}, "a") as file:
                file.write({name!r} + "\\n")
            sys.exit(0)
        signal.signal(signal.SIGTERM, leave)
        print("ready")
        while True: time.sleep(0.1)
    """)
    path = str(tmp_path / "left")
    stages = [
        [_steady(name, code=leaving.format(path=path, name=name))] for name in ("first", "second", "third")
    ]
    process = start(*stages)
    _until(lambda: len(_running(tmp_path)) == 3)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_S) == 0
    assert Path(path).read_text().split() == ["third", "second", "first"]
    found = status.read(tmp_path)
    assert found is not None
    assert found.state == "stopped"


def test_who_does_not_want_to_leave_is_killed_with_his_children(start: Start, tmp_path: Path) -> None:
    stubborn = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        f"open({str(tmp_path / 'child')!r}, 'w').write(str(child.pid)); print('ready'); time.sleep(600)"
    )
    process = start([_steady("stubborn", code=stubborn, stop_timeout=0.5)])
    _until(lambda: "stubborn" in _running(tmp_path))
    pids = [_running(tmp_path)["stubborn"], int((tmp_path / "child").read_text())]
    assert all(map(_alive, pids))
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=PATIENCE_S)[0]
    assert process.returncode == 0
    assert "stubborn did not stop within 0.5 s and is killed" in output
    _until(lambda: not any(map(_alive, pids)))


def test_nothing_stays_behind_when_the_supervisor_itself_is_killed(start: Start, tmp_path: Path) -> None:
    process = start([_steady("one"), _steady("two")])
    _until(lambda: len(_running(tmp_path)) == 2)
    pids = list(_running(tmp_path).values())
    process.kill()
    _until(lambda: not any(map(_alive, pids)))


@pytest.mark.parametrize(
    ("_case", "code", "says"),
    [
        ("ends", "import sys; print('no disk'); sys.exit(3)", "ended with status 3 at start"),
        ("is silent", "import time; print('no disk'); time.sleep(600)", "was not healthy within 1 s"),
    ],
)
def test_what_never_gets_healthy_is_named_with_its_last_lines(
    start: Start, tmp_path: Path, _case: str, code: str, says: str
) -> None:
    process = start(
        [_steady("one")],
        [{"name": "sick", "code": code, "ready_line": "ready", "start_timeout": 1.0}],
        [_steady("never")],
    )
    _until(lambda: bool((found := status.read(tmp_path)) and found.processes["one"].pid))
    one = status.read(tmp_path)
    assert one is not None
    output = process.communicate(timeout=PATIENCE_S)[0]
    assert process.returncode == 1
    assert f"sick {says}" in output
    assert "    no disk" in output
    assert "never is there" not in output
    assert not _alive(one.processes["one"].pid or 0)


@pytest.mark.parametrize(
    ("before", "status_", "named"),
    [
        ("raise RuntimeError('no disk')", 1, "no disk"),
        (
            "from django.core.exceptions import ImproperlyConfigured as no; raise no('no account')",
            78,
            "no account",
        ),
    ],
)
def test_what_cannot_be_prepared_is_named_and_everything_stops(
    start: Start, tmp_path: Path, before: str, status_: int, named: str
) -> None:
    beside = {"name": "beside", "code": STEADY, "ready_line": "ready"}
    process = start([{"name": "broken", "code": STEADY, "before": before}, beside])
    said, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == status_, said
    assert f"broken could not start ({named})" in said
    found = status.read(tmp_path)
    assert found is not None
    assert found.state == "stopped"
    assert all(entry.pid is None for entry in found.processes.values())


def test_a_wrong_configuration_is_reported_once_and_not_tried_again(start: Start, tmp_path: Path) -> None:
    process = start(
        [_steady("one")], [{"name": "wrong", "code": "import sys; sys.exit(78)", "ready_line": "ready"}]
    )
    output = process.communicate(timeout=PATIENCE_S)[0]
    assert process.returncode == 78
    assert output.count("wrong ended with status 78") == 1


def test_a_later_wrong_configuration_leaves_the_others_running(start: Start, tmp_path: Path) -> None:
    late = "import sys, time; print('ready'); time.sleep(1); sys.exit(78)"
    start([_steady("one"), _steady("late", code=late)])
    _until(
        lambda: bool((found := status.read(tmp_path)) and found.processes["late"].state == "configuration")
    )
    found = status.read(tmp_path)
    assert found is not None
    assert found.processes["late"].restarts == 0
    assert found.processes["one"].state == "running"


def test_a_program_that_ends_well_is_done_and_one_that_does_not_stops_the_start(
    start: Start, tmp_path: Path
) -> None:
    process = start([{"name": "once", "code": "print('made')", "once": True}], [_steady("one")])
    _until(lambda: "one" in _running(tmp_path))
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_S) == 0
    failing = {"name": "once", "code": "raise SystemExit('half made')", "once": True}
    process = start([failing], [_steady("one")])
    output = process.communicate(timeout=PATIENCE_S)[0]
    assert process.returncode == 1
    assert "half made" in output
    assert "one is there" not in output


def test_a_terminal_that_nobody_reads_holds_nothing_up_and_every_line_is_in_the_log(
    start: Start, tmp_path: Path
) -> None:
    process = start(
        [_steady("one", code="import time; print('a' * 200_000); print('ready'); time.sleep(600)")]
    )
    _until(lambda: "one" in _running(tmp_path))
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE_S)
    assert (tmp_path / "one.log").read_text() == "a" * 200_000 + "\nready\n"
