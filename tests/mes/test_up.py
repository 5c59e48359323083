"""`manage.py up` as a whole: real servers, real processes, real signals."""

import http.client
import os
import re
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from mes.embedded.locks import AlreadyRunning, PlaceLock
from mes.supervisor import status
from mes.supervisor.stack import Stack, running_stack
from tests.mes.processes import processes_in
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("LAMINA_", "DATABASE_"))
    }
    var = tmp_path_factory.mktemp("up") / "var"
    one_worker = {"LAMINA_WORKER_CONCURRENCY": "1"}
    return inherited | one_worker | {"LAMINA_VAR": str(var), "DJANGO_SETTINGS_MODULE": "mes.settings"}


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _request(port: int, method: str, path: str, **more: object) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request(method, path, **more)  # type: ignore[arg-type]
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def _until(met: Callable[[], bool], seconds: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline, "it did not come to that in time"
        time.sleep(0.1)


def test_a_taken_port_is_named_before_anything_starts(settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path
    (tmp_path / "run").mkdir()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CommandError, match=f"127.0.0.1:{port} cannot be used"):
            call_command("up", port=port)
    assert {path.name for path in tmp_path.iterdir()} == {"run"}


def test_killed_it_leaves_nothing_behind_and_stopped_neither(environment: dict[str, str], port: int) -> None:
    """Two starts in the same place, the second one after an unclean end: a stack takes seconds to start."""
    told: list[str] = []
    with running_stack(port=port, quiet=True, tell=told.append, environment=environment) as stack:
        assert any(line.startswith("postgres: PostgreSQL answers (") for line in told)
        assert len(processes_in(environment["LAMINA_VAR"])) >= 9
        _serves(stack, port)
        _refuses_a_second_one(stack, environment)
        _survives(stack, port)
        os.kill(stack.supervisor, signal.SIGKILL)
        _until(lambda: processes_in(environment["LAMINA_VAR"]) == [])

    with running_stack(quiet=True, servers_only=True, environment=environment) as stack:
        assert {"postgres", "valkey"} <= stack.processes.keys()
    assert processes_in(environment["LAMINA_VAR"]) == []
    found = status.read(Path(environment["LAMINA_VAR"]) / "run")
    assert found is not None
    assert found.state == "stopped"


def _serves(stack: Stack, port: int) -> None:
    assert {"postgres", "valkey", "web", "relay", "worker", "seal", "tick"} <= stack.processes.keys()
    assert _request(port, "GET", "/healthz") == (200, '{"database": "up", "broker": "up", "seals": "up"}')
    too_large = {"Content-Length": str(2 * 1024**3)}
    assert _request(port, "POST", "/healthz", headers=too_large)[0] == 413
    assert _request(port, "GET", "/healthz", headers={"Host": "evil.example"})[0] == 400


def _refuses_a_second_one(stack: Stack, environment: dict[str, str]) -> None:
    """As `up` does before anything else; what it then says and returns, the tests of the stack show."""
    var = Path(environment["LAMINA_VAR"])
    said = re.escape(f"Lamina already runs in {var} (process {stack.supervisor})")
    with pytest.raises(AlreadyRunning, match=said):
        PlaceLock(var / "run" / "up.lock", "Lamina")


def _survives(stack: Stack, port: int) -> None:
    killed = {name: stack.processes[name] for name in ("web", "postgres", "valkey", "worker")}
    for pid in killed.values():
        os.kill(pid, signal.SIGKILL)
    for name, pid in killed.items():
        stack.await_running(name, other_than=pid, seconds=PATIENCE_S)
    _until(lambda: _healthy(port))


def _healthy(port: int) -> bool:
    try:
        return _request(port, "GET", "/healthz")[0] == 200
    except OSError:
        return False
