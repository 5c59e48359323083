"""Settings fail closed: what is wrong stops the start, is named, and shows no value."""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import OperationalError, connections

from mes import checks
from mes.embedded.connect import open_role
from mes.embedded.environment import read_environment
from mes.embedded.keyfiles import read_or_create
from mes.embedded.layout import Layout, UnusablePlace, exit_status, refused_write
from mes.embedded.roles import DatabaseNotNamed, Role, address
from mes.management.commands import verify as verifying
from tests import servers
from tests.servers import Cluster


def _manage(var: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return _python(var, "manage.py", *arguments, **variables)


def _python(var: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("LAMINA_", "DATABASE_"))
    }
    environment = inherited | {"LAMINA_VAR": str(var), "DJANGO_SETTINGS_MODULE": "mes.settings"} | variables
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=servers.BASE, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place in which a process has started once."""
    var = tmp_path_factory.mktemp("started") / "var"
    ran = _manage(var, "check")
    assert ran.returncode == 0, ran.stderr
    return var


@pytest.fixture
def place(started: Path, tmp_path: Path) -> Path:
    """The same place again, the test's own to harm."""
    return Path(shutil.copytree(started, tmp_path / "var"))


WRONG = [
    ("LAMINA_HOSTS", ""),
    ("LAMINA_HOSTS", "*"),
    ("LAMINA_DEBUG", "perhaps"),
    ("LAMINA_WORKER_CONCURRENCY", "0"),
    ("LAMINA_MAX_BODY_MIB", "much"),
    ("LAMINA_ROLE", "superuser"),
    ("BROKER_URL", "amqp://:hunter2@broker"),
]


@pytest.mark.parametrize(("variable", "value"), WRONG)
def test_a_wrong_value_is_named_but_not_shown(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ImproperlyConfigured, match=f"^{variable}: ") as refused:
        read_environment()
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("wrong", [dict(WRONG), {"DATABASE_URL": "sqlite:///hunter2"}], ids=", ".join)
def test_a_wrong_value_stops_the_start(tmp_path: Path, wrong: dict[str, str]) -> None:
    """Every one of them is named."""
    ran = _manage(tmp_path / "var", "check", **wrong)
    assert ran.returncode == 78
    assert all(variable in ran.stderr for variable in wrong if variable != "DATABASE_URL")
    assert "hunter2" not in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.requirement("K-13")
def test_no_process_makes_a_vault_by_starting(place: Path) -> None:
    """In a restored place that would put a new key where the old one belongs. A ring that cannot be used stops the start."""
    keys = place / "keys"
    assert not list(keys.glob("vault*"))
    (keys / "vault_index.key").touch(mode=0o600)
    ran = _manage(place, "check")
    assert ran.returncode == 78
    assert "vault_index.key holds no key" in ran.stderr


def test_a_secret_that_others_can_read_stops_the_start(place: Path) -> None:
    key = place / "keys" / "secret_key"
    key.chmod(0o644)
    ran = _manage(place, "check")
    assert ran.returncode == 78
    assert f"chmod 600 {key}" in ran.stderr


def test_the_web_process_holds_no_other_role(tmp_path: Path) -> None:
    """Nor does an app open one when it starts."""
    code = (
        "import django; django.setup(); from django.conf import settings; "
        "print(sorted(settings.DATABASES), settings.DATABASES['default']['USER'])"
    )
    ran = _python(tmp_path / "var", "-c", code, LAMINA_WEB="1")
    assert ran.stdout.strip() == "['default'] lamina_app"


def test_once_a_server_of_your_own_is_named_no_role_falls_back(tmp_path: Path) -> None:
    named = {"DATABASE_URL": "postgresql://app:p%40ss@db.internal:6432/mes?sslmode=require"}
    layout = Layout(tmp_path)
    found = address(Role.APP, layout, named)
    assert found == {
        "host": "db.internal",
        "port": "6432",
        "dbname": "mes",
        "user": "app",
        "password": "p@ss",
        "sslmode": "require",
    }
    with pytest.raises(DatabaseNotNamed, match="DATABASE_OWNER_URL"):
        address(Role.OWNER, layout, named)


def test_a_command_that_needs_a_role_opens_it_on_the_same_database(fault_cluster: Cluster) -> None:
    alias = open_role(Role.OWNER)
    assert open_role(Role.OWNER) == alias == "owner"
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT current_user, current_database()")
        assert cursor.fetchone() == ("lamina_owner", connections["default"].settings_dict["NAME"])


def test_a_misspelt_variable_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMINA_WORKER_CONCURENCY", "4")
    assert [found.id for found in checks.variables_are_known(None)] == ["mes.W001"]
    monkeypatch.delenv("LAMINA_WORKER_CONCURENCY")
    assert checks.variables_are_known(None) == []


def test_debugging_is_refused_where_others_can_reach_it(settings: object) -> None:
    settings.DEBUG = True  # type: ignore[attr-defined]
    settings.ALLOWED_HOSTS = ["mes.example"]  # type: ignore[attr-defined]
    with pytest.raises(SystemCheckError, match=r"mes\.E003"):
        call_command("check", "--tag", "security")


def test_missing_front_end_packages_are_named_with_their_cure(settings: object, tmp_path: Path) -> None:
    settings.FRONT_END = {"vendor/htmx": tmp_path / "absent"}  # type: ignore[attr-defined]
    settings.STATIC_ROOT = tmp_path  # type: ignore[attr-defined]
    (found,) = checks.front_end_is_installed(None)
    assert (found.id, found.hint) == ("mes.E001", "Run `make setup`.")


def test_half_of_a_server_of_your_own_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_OWNER_URL", "postgresql://owner@db/mes")
    assert [found.id for found in checks.own_servers_are_named_in_full(None)] == ["mes.E002"]


def test_a_place_that_cannot_hold_the_data_is_one_line_with_its_cure(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("a file")
    ran = _manage(taken, "check")
    assert ran.returncode == 78
    assert len(ran.stderr.splitlines()) == 1
    assert f"{taken} cannot hold the data" in ran.stderr
    assert "Set LAMINA_VAR to a folder" in ran.stderr
    assert taken.read_text() == "a file"


@pytest.mark.parametrize("where", ["below a file", "/proc/lamina"])
def test_no_other_place_is_tried_where_the_data_cannot_be(tmp_path: Path, where: str) -> None:
    taken = tmp_path / "taken"
    taken.write_text("a file")
    var = taken / "var" if where == "below a file" else Path(where)
    with pytest.raises(
        UnusablePlace, match=rf"^{re.escape(str(var))} cannot hold the data.*Set LAMINA_VAR to a folder.*$"
    ):
        Layout(var).create()
    assert taken.read_text() == "a file"


def test_a_disk_that_fills_is_one_line_with_its_cure() -> None:
    """Whatever command meets it: the last thing that hears of a fault is manage.py."""
    full = refused_write(OSError(errno.ENOSPC, "No space left on device"))
    assert str(full).startswith("A file cannot be written: No space left on device. Set LAMINA_VAR")
    closed = refused_write(PermissionError(errno.EACCES, "Permission denied", "/srv/lamina/keys/secret_key"))
    assert str(closed).startswith("/srv/lamina/keys/secret_key cannot be used: Permission denied.")
    faults = (
        OSError(errno.ENOSPC, "No space left on device"),
        PermissionError(errno.EACCES, "Permission denied"),
    )
    # The supervisor starts the first again, once there may be room, and not the second.
    assert [exit_status(fault) for fault in faults] == [75, 78]
    assert refused_write(FileNotFoundError(errno.ENOENT, "No such file", "/srv/x")) is None


def test_a_first_start_without_room_is_refused_and_a_later_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = Layout(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=20 * 1024**2))
    with pytest.raises(UnusablePlace, match=r"has 20 MiB free; a first start needs 256\. Set LAMINA_VAR"):
        layout.require_room()
    layout.postgres.mkdir()
    layout.require_room()


def test_a_check_of_a_place_that_is_none_says_so_and_makes_nothing_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["manage.py", "verify", "--json"])
    assert read_or_create(tmp_path / "keys" / "secret_key")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(verifying, "verify", _unreachable)
    with pytest.raises(SystemExit) as ended:
        call_command("verify", "--json")
    assert ended.value.code == 1
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (said["result"], said["first_bad"]) == ("UNVERIFIABLE", None)
    assert "no such server" in said["reason"]


def _unreachable(**_: object) -> None:
    raise OperationalError("no such server")


@pytest.mark.slow
def test_verify_of_a_mistyped_place_ends_in_its_line_and_leaves_no_folder(tmp_path: Path) -> None:
    for variables in ({}, {"LAMINA_WEB": "perhaps"}):
        ran = _manage(tmp_path / "none", "verify", "--json", **variables)
        assert (ran.returncode, ran.stderr) == (1, "")
        assert json.loads(ran.stdout.splitlines()[-1])["result"] == "UNVERIFIABLE"
        assert list(tmp_path.iterdir()) == []
