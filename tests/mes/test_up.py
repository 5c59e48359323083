"""`manage.py up` as a whole: real servers, real processes, real signals."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mes.supervisor import status
from mes.supervisor.stack import Stack, running_stack
from tests import servers

pytestmark = pytest.mark.faults


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("LAMINA_", "DATABASE_"))
    }
    return inherited | {"LAMINA_VAR": str(tmp_path / "var"), "DJANGO_SETTINGS_MODULE": "mes.settings"}


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def stack(environment: dict[str, str], port: int) -> Iterator[Stack]:
    with running_stack(port=port, quiet=True, environment=environment) as found:
        yield found


def _request(port: int, method: str, path: str, **more: object) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, **more)  # type: ignore[arg-type]
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def _until(met: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline, "it did not come to that in time"
        time.sleep(0.1)


def _of(place: str) -> list[int]:
    """Every living process that was started for this place, however deep."""
    needle = f"LAMINA_VAR={place}\0".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if needle in (folder / "environ").read_bytes() and int(folder.name) != os.getpid():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def test_the_whole_of_it(stack: Stack, environment: dict[str, str], port: int) -> None:
    """One long test, because a stack takes seconds to start: serve, refuse, survive, refuse a second one."""
    assert {"postgres", "valkey", "web", "relay", "worker", "seal", "tick"} <= stack.processes.keys()
    assert _request(port, "GET", "/healthz") == (200, '{"database": "up", "broker": "up"}')

    too_large = {"Content-Length": str(2 * 1024**3)}
    assert _request(port, "POST", "/healthz", headers=too_large)[0] == 413
    assert _request(port, "GET", "/healthz", headers={"Host": "evil.example"})[0] == 400

    command = [sys.executable, "manage.py", "up", "--port", str(port)]
    second = subprocess.run(
        command, cwd=servers.BASE, env=environment, capture_output=True, text=True, check=False
    )
    assert second.returncode == 1
    assert f"already runs in {environment['LAMINA_VAR']} (process {stack.supervisor})" in second.stderr

    for name in ("web", "postgres", "valkey", "worker"):
        before = stack.processes[name]
        os.kill(before, signal.SIGKILL)
        stack.await_running(name, other_than=before)
    _until(lambda: _healthy(port))


def test_it_leaves_nothing_behind_when_stopped(environment: dict[str, str], port: int) -> None:
    with running_stack(port=port, quiet=True, environment=environment):
        assert len(_of(environment["LAMINA_VAR"])) >= 9
    assert _of(environment["LAMINA_VAR"]) == []
    found = status.read(Path(environment["LAMINA_VAR"]) / "run")
    assert found is not None
    assert found.state == "stopped"


def test_it_leaves_nothing_behind_when_killed_and_starts_again(
    environment: dict[str, str], port: int
) -> None:
    with running_stack(port=port, quiet=True, environment=environment) as stack:
        os.kill(stack.supervisor, signal.SIGKILL)
        _until(lambda: _of(environment["LAMINA_VAR"]) == [], 30.0)
    with running_stack(port=port, quiet=True, environment=environment):
        assert _healthy(port)


def test_a_taken_port_is_named_before_anything_starts(environment: dict[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [sys.executable, "manage.py", "up", "--port", str(port)]
        ran = subprocess.run(
            command, cwd=servers.BASE, env=environment, capture_output=True, text=True, check=False
        )
    assert ran.returncode == 1
    assert f"127.0.0.1:{port} cannot be used" in ran.stderr
    assert not (Path(environment["LAMINA_VAR"]) / "postgres").exists()


def _healthy(port: int) -> bool:
    try:
        return _request(port, "GET", "/healthz")[0] == 200
    except OSError:
        return False
