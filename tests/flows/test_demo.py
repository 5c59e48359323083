"""The demo as a command: what it says last, what it leaves, and what a killed process changes. The soak tells it in an empty
place, in which `test_up` starts too."""

from __future__ import annotations

import json
import logging
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from mes.demo.dataset import MEMBER
from mes.supervisor import status
from tests.mes.processes import processes_in
from tests.servers import BASE, FAITHFUL, ROOT, Cluster, seeded

pytestmark = [pytest.mark.faults, pytest.mark.requirement("EV-03")]

log = logging.getLogger(__name__)
PATIENCE_S = 900.0
SECONDS = {"setup", "imaging", "segmentation", "design", "slicing", "printing", "inspection", "total"}
VICTIMS = ("relay", "worker", "fleet", "web", "tick", "seal", "valkey", "postgres")
STEP = re.compile(r"^ *\d+\.\d s  (?!…|the database is away)")
FIRST = "device masters are approved"
# Of the steps from there to "RELEASED".
LAST_MOMENT = 42


class Demo:
    """`manage.py demo --exit` in a place of its own, without a registry: the CT where the project has it, else the phantom."""

    def __init__(self, folder: Path) -> None:
        self.var, self.log = folder / "var", folder / "demo.log"
        cached = BASE / "var" / "cache" / Path(MEMBER).name
        if cached.is_file():
            (self.var / "cache").mkdir(parents=True, exist_ok=True)
            shutil.copy(cached, self.var / "cache")
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("LAMINA_", "DATABASE_"))
        }
        inherited.pop("BROKER_URL", None)
        own = {
            "LAMINA_VAR": str(self.var),
            "LAMINA_WORKER_CONCURRENCY": "1",
            "DJANGO_SETTINGS_MODULE": "tests.flows.demo_settings",
            "PIP_NO_INDEX": "1",
        }
        command = [sys.executable, "manage.py", "demo", "--exit", "--port", str(_free_port())]
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                command, cwd=BASE, env=inherited | own, stdout=output, stderr=subprocess.STDOUT
            )

    @property
    def said(self) -> list[str]:
        return self.log.read_text(errors="replace").splitlines()

    @property
    def steps(self) -> int:
        """How many steps of the story were told; -1 before everything runs."""
        told = [line for line in self.said if STEP.match(line)]
        first = next((number for number, line in enumerate(told) if FIRST in line), None)
        if first is not None:
            return len(told) - first
        found = status.read(self.var / "run")
        return 0 if found and found.state == "running" else -1

    def pid(self, name: str) -> int | None:
        found = status.read(self.var / "run")
        return found.processes[name].pid if found and name in found.processes else None

    def result(self) -> dict[str, Any]:
        """What the last line says, once it has ended well."""
        assert self.process.wait(PATIENCE_S) == 0, "\n".join(self.said[-40:])
        found: dict[str, Any] = json.loads(self.said[-1])
        return found


@contextmanager
def demo_in(folder: Path) -> Iterator[Demo]:
    started = Demo(folder)
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.process.terminate()
            started.process.wait(120)


@contextmanager
def record_of(demo: Demo) -> Iterator[Cluster]:
    """The database that the demo left, started again."""
    cluster = Cluster(demo.var, FAITHFUL)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """A folder with a place whose database was migrated, as its last start left it; its keys are its own."""
    var = tmp_path / "var"
    seeded(var, FAITHFUL)
    (var / "keys").unlink()
    shutil.copytree(ROOT / "keys", var / "keys")
    return tmp_path


def test_it_releases_a_device_and_says_so_in_one_line(prepared: Path) -> None:
    with demo_in(prepared) as demo:
        result = demo.result()
    require_contract(result)
    said = "\n".join(demo.said)
    assert all(rule in said for rule in ("G-IMG-01", "G-SW-01"))
    has_the_ct = (demo.var / "cache" / Path(MEMBER).name).is_file()
    assert ("an analytic phantom takes its place" in said) is not has_the_ct
    left = status.read(demo.var / "run")
    assert left is not None
    assert left.state == "stopped"
    assert processes_in(str(demo.var)) == []
    assert list((demo.var / "quarantine").iterdir()) == []
    with record_of(demo) as cluster:
        require_whole(demo, cluster)


@pytest.mark.slow
def test_killing_each_process_once_only_delays_it(tmp_path: Path) -> None:
    seed = int(os.environ.get("LAMINA_TEST_SEED", random.SystemRandom().randrange(2**32)))
    chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
    moments = sorted(chance.sample(range(LAST_MOMENT + 1), len(VICTIMS)))
    plan = list(zip(moments, chance.sample(VICTIMS, len(VICTIMS)), strict=True))
    log.info("LAMINA_TEST_SEED=%s, kills after these steps: %s", seed, plan)
    with demo_in(tmp_path) as demo:
        for moment, name in plan:
            _until_told(demo, moment)
            time.sleep(chance.uniform(0.0, 0.3))
            _kill(demo, name)
        result = demo.result()
    log.info("%s", "\n".join(demo.said))
    require_contract(result)
    with record_of(demo) as cluster:
        require_whole(demo, cluster)


def _until_told(demo: Demo, moment: int) -> None:
    ends = time.monotonic() + PATIENCE_S
    while demo.steps < moment:
        assert demo.process.poll() is None, "\n".join(demo.said[-40:])
        assert time.monotonic() < ends
        time.sleep(0.02)


def _kill(demo: Demo, name: str) -> None:
    """`kill -9`, as soon as it lives."""
    ends = time.monotonic() + PATIENCE_S
    while (pid := demo.pid(name)) is None:
        assert demo.process.poll() is None, "\n".join(demo.said[-40:])
        assert time.monotonic() < ends
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    log.info("killed %s (%s) after step %s", name, pid, demo.steps)


def require_contract(result: dict[str, Any]) -> None:
    """The shape that whoever runs the demo from a script relies on."""
    assert list(result) == ["device", "stage", "events", "seconds", "ledger", "record_pdf", "record_json"]
    assert re.fullmatch(r"D\d{7}", result["device"])
    assert (result["stage"], result["ledger"]) == ("released", "VALID")
    assert isinstance(result["events"], int)
    assert result["events"] > 20
    assert set(result["seconds"]) == SECONDS
    assert all(isinstance(value, float) and value > 0 for value in result["seconds"].values())
    assert result["seconds"]["total"] >= sum(
        value for name, value in result["seconds"].items() if name != "total"
    )
    assert Path(result["record_pdf"]).read_bytes().startswith(b"%PDF")
    record = json.loads(Path(result["record_json"]).read_bytes())
    assert (record["device"], record["status"]) == (result["device"], "released")


def require_whole(demo: Demo, cluster: Cluster) -> None:
    """Nothing lost, nothing twice, everything in order."""
    verify = [sys.executable, "manage.py", "verify", "--json", "--skip-checks"]
    ran = subprocess.run(
        verify, cwd=BASE, env=cluster.environment(), capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    with cluster.connect() as connection:
        assert _rows(connection, GAPS) == []
        assert _rows(connection, TWICE) == []
        assert _rows(connection, UNDELIVERED) == []
        assert _rows(connection, "SELECT count(*) FROM printing_command WHERE kind = 'start'") == [(1,)]
        jobs = "SELECT state, count(*) FROM printing_job GROUP BY state"
        assert _rows(connection, jobs) == [("finished", 1)]
    told = [json.loads(path.read_text())["commands"] for path in (demo.var / "simulated").glob("*.json")]
    assert [line.split()[0] for lines in told for line in lines].count("start") == 1


GAPS = """
    SELECT stream_type, stream_id FROM mes_event
    GROUP BY stream_type, stream_id HAVING min(version) <> 1 OR max(version) <> count(*)
"""
TWICE = """
    SELECT stream_type, stream_id, type FROM mes_event
    WHERE type IN ('printing.job_started', 'printing.job_finished', 'devices.segmentation_recorded', 'devices.design_generated',
                   'printing.build_prepared', 'quality.inspection_measured', 'quality.device_released')
    GROUP BY stream_type, stream_id, type HAVING count(*) > 1
"""
UNDELIVERED = "SELECT handler, status FROM mes_delivery WHERE status = 'dead'"


def _rows(connection: psycopg.Connection, query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query.encode()).fetchall()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
