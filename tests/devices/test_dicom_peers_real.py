"""The DICOM network service against the programs that hospitals send with: dcmtk's storescu, and Orthanc."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from devices.models import Arrival
from devices.services.arrivals import folder_of, record_left_behind
from devices.services.dicomservice import DicomService, Listening
from devices.services.peers import register_peer
from mes.choices import Role
from mes.embedded.environment import BASE_DIR
from tests.devices.conftest import RealData
from tests.devices.makers import make_person
from tests.patience import PATIENCE_S
from tests.servers import Cluster

pytestmark = [pytest.mark.slow, pytest.mark.requirement("G-IMG-01")]
SLICES = 275


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (Debian: apt-get install dcmtk orthanc)")
    return found


@pytest.fixture
def chest(real_data: RealData, tmp_path: Path) -> Path:
    """A folder of nothing but its slices."""
    folder = tmp_path / "chest"
    folder.mkdir()
    for path in real_data("chest-ct").rglob("*.dcm"):
        (folder / path.name).symlink_to(path)
    assert len(list(folder.iterdir())) == SLICES
    return folder


@pytest.fixture
def service(committed_db: None, tmp_path: Path, settings: Any) -> Iterator[DicomService]:
    settings.QUARANTINE_DIR = tmp_path / "quarantine"
    for title in ("STORESCU", "ORTHANC"):
        register_peer(title=title, address="127.0.0.1", description="x", actor=make_person(Role.SYS).actor)
    service = DicomService(Listening("127.0.0.1", 0, "LAMINA", 4))
    service.start()
    yield service
    service.stop()


def storescu(port: int, folder: Path, *more: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            program("storescu"),
            "-aec",
            "LAMINA",
            "-aet",
            "STORESCU",
            "+sd",
            "+r",
            *more,
            "127.0.0.1",
            str(port),
            str(folder),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def eventually(what: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := what()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def whole(service: DicomService) -> Arrival:
    service.stop()
    arrival = Arrival.objects.get()
    assert (arrival.files, arrival.unreadable, arrival.modalities) == (SLICES, 0, ["CT"])
    assert len(list(folder_of(arrival.quarantine).iterdir())) == SLICES
    return arrival


def test_dcmtk_sends_a_chest(service: DicomService, chest: Path) -> None:
    assert storescu(service.port, chest).wait(timeout=300) == 0
    whole(service)


def test_orthanc_sends_a_chest(service: DicomService, chest: Path, tmp_path: Path) -> None:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        http, dicom = one.getsockname()[1], other.getsockname()[1]
    told = {
        "Name": "peer", "DicomAet": "ORTHANC", "StorageDirectory": str(tmp_path / "orthanc"),
        "IndexDirectory": str(tmp_path / "orthanc"), "HttpPort": http, "DicomPort": dicom,
        "RemoteAccessAllowed": False, "AuthenticationEnabled": False,
        "DicomModalities": {"lamina": ["LAMINA", "127.0.0.1", service.port]},
    }  # fmt: skip
    (tmp_path / "orthanc.json").write_text(json.dumps(told))
    process = subprocess.Popen(
        [program("Orthanc"), str(tmp_path / "orthanc.json")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        site = f"http://127.0.0.1:{http}"
        assert eventually(lambda: _answers(f"{site}/system"))
        for path in chest.iterdir():
            requests.post(f"{site}/instances", data=path.read_bytes(), timeout=60).raise_for_status()
        (study,) = requests.get(f"{site}/studies", timeout=60).json()
        sent = requests.post(f"{site}/modalities/lamina/store", data=study, timeout=300)
        assert sent.json()["FailedInstancesCount"] == 0
    finally:
        process.terminate()
        process.wait(timeout=60)
    whole(service)


def _answers(address: str) -> bool:
    try:
        return requests.get(address, timeout=5).ok
    except requests.ConnectionError:
        return False


@pytest.mark.faults
def test_a_service_that_is_killed_loses_nothing_that_it_confirmed(
    fault_cluster: Cluster, chest: Path, tmp_path: Path, settings: Any
) -> None:
    program("storescu")
    var = tmp_path / "var"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    surroundings = os.environ | fault_cluster.environment()
    surroundings |= {"LAMINA_VAR": str(var), "LAMINA_DICOM_PORT": str(port)}
    register_peer(title="STORESCU", address="127.0.0.1", description="x", actor=make_person(Role.SYS).actor)
    service = subprocess.Popen(
        [sys.executable, "manage.py", "dicom"], cwd=BASE_DIR, env=surroundings, stdout=subprocess.PIPE
    )
    assert service.stdout is not None
    assert service.stdout.readline() == b"dicom: ready\n"
    sender = storescu(port, chest)
    settings.QUARANTINE_DIR = var / "quarantine"
    arriving = settings.QUARANTINE_DIR / "received" / "arriving"
    assert eventually(lambda: len(list(arriving.glob("*/*"))) > 51)
    service.send_signal(signal.SIGKILL)
    service.wait()
    service.stdout.close()
    assert sender.wait(timeout=60) != 0
    confirmed = len(list(arriving.glob("*/*"))) - 1
    assert record_left_behind() == 1
    assert Arrival.objects.get().files == confirmed > 50
