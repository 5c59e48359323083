"""Backups of a living site, their restoration into an empty place, and drills, with PostgreSQL's own programs (R-14, A3)."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection, connections
from pytest_django.plugin import DjangoDbBlocker

from mes.artefacts import ArtefactStore
from mes.backup import taking
from mes.backup.contents import FILE, check_backup, finished_backups, newest_backup, read_contents
from mes.backup.drilling import drill, serving, unknown_to
from mes.backup.keycopies import lost_keys
from mes.backup.restoring import NEEDED, missing_keys, restore
from mes.backup.taking import Taken, forget_older, take_backup
from mes.backup.tools import BackupAltered, BackupFailed, base_backup
from mes.choices import Role as Duty
from mes.embedded import roles
from mes.embedded.layout import Layout
from mes.embedded.postgres import binaries
from mes.embedded.roles import Role
from mes.eventlog.sealing import Sealer, load_key, public_keys
from mes.eventlog.unit import open_unit, publish
from mes.eventlog.verify import verify
from mes.eventlog.witness import Told, Witness
from mes.exceptions import Conflict
from mes.models import Backup, EventRecord, RestoreDrill
from mes.services.artefacts import store_artefact
from mes.services.vaultkeys import rotate
from tests import servers
from tests.mes.events import Happened
from tests.mes.logins import acting_as
from tests.mes.makers import SYSTEM, make_patient, make_person, make_signer
from tests.mes.test_signing_seal import signed
from tests.servers import Cluster

pytestmark = [pytest.mark.requirement("P11-10c"), pytest.mark.requirement("R-14")]
FILES = 3


class Site:
    """A cluster, files, witness and keys of its own: what a backup takes, and Django writes to."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster, self.layout = cluster, cluster.layout
        self.person = make_person()

    def happen(self, times: int = 3) -> None:
        for _ in range(times):
            with open_unit():
                publish(self.person, Happened(note="as it was"), actor=SYSTEM)

    def seal(self) -> None:
        with acting_as(self.cluster, Role.SEALER.login):
            Sealer(load_key(self.layout.keys), self.witness).seal_once()

    @property
    def witness(self) -> Path:
        return self.layout.witness / "seals.jsonl"

    def back_up(self, out: Path, **of: Any) -> Taken:
        where = self.cluster.address(roles.SUPERUSER)
        return take_backup(layout=self.layout, out=out, where=where, disposed=set(), **of)


@pytest.fixture(scope="module")
def site(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Site]:
    place = servers.scratch() / f"backup-{os.getpid()}"
    cluster = servers.seeded(place, servers.DISPOSABLE)
    (place / "keys").unlink()
    shutil.copytree(servers.ROOT / "keys", place / "keys")
    before = dict(connections.settings["default"])
    with pytest.MonkeyPatch.context() as patch, django_db_blocker.unblock():
        for name in ("KEYS_DIR", "ARTEFACTS_DIR", "WITNESS_DIR"):
            patch.setattr(settings, name, getattr(cluster.layout, name.partition("_")[0].lower()))
        patch.setattr(settings, "VAR_DIR", place)
        try:
            cluster.start_postgres()
            _lead_to(**{key.upper(): value for key, value in _where(cluster).items()})
            yield _lived(cluster)
        finally:
            _lead_to(**{key: before[key] for key in ("NAME", "HOST", "PASSWORD")})
            cluster.stop()
            shutil.rmtree(place)


def _where(cluster: Cluster) -> dict[str, str]:
    found = cluster.address("lamina_app")
    return {"name": found["dbname"], "host": found["host"], "password": found["password"]}


def _lead_to(**where: Any) -> None:
    connections.close_all()
    connections.settings["default"].update(where)


def _lived(cluster: Cluster) -> Site:
    site = Site(cluster)
    make_patient()
    signed(*make_signer(Duty.QAX))
    for number in range(FILES):
        store_artefact(f"file {number}".encode() * 1000, media_type="text/plain")
    site.happen()
    site.seal()
    return site


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """Where the servers' data lies, in memory where there is plenty: the tests copy, compare and remove whole databases."""
    with TemporaryDirectory(prefix="backups-", dir=servers.scratch()) as name:
        Path(name).chmod(0o711)
        yield Path(name)


@pytest.fixture(scope="module")
def taken(site: Site) -> Iterator[Taken]:
    with TemporaryDirectory(prefix="backups-", dir=servers.scratch()) as name:
        yield site.back_up(Path(name))


@pytest.fixture
def copy(taken: Taken, tmp_path: Path) -> Path:
    """The folder of backups, to spoil."""
    return Path(shutil.copytree(taken.folder.parent, tmp_path / "backups", symlinks=True)) / taken.folder.name


def flip(file: Path, at: int = -1) -> None:
    content = bytearray(file.read_bytes())
    content[at if at >= 0 else len(content) // 2] ^= 1
    file.chmod(0o600)
    file.write_bytes(content)


# --- taking


def test_a_backup_holds_the_record_its_files_and_its_witness_and_no_key(site: Site, taken: Taken) -> None:
    contents = check_backup(taken.folder)
    assert len(contents.artefacts) == FILES == taken.copied
    assert contents.events > 3 < contents.tree_size
    assert (taken.folder / "witness" / "seals.jsonl").read_bytes() == site.witness.read_bytes()
    names = {file.name for file in taken.folder.parent.rglob("*")}
    public = {file.name.partition("-")[0] for file in (taken.folder / "public").iterdir()}
    assert public == {"seal", "signing"}
    assert not {name for name in names if name.endswith((".key", "_password")) or name == "secret_key"}


def test_the_next_one_copies_only_what_is_new(site: Site, taken: Taken) -> None:
    store_artefact(b"a new one" * 50, media_type="text/plain")
    again = site.back_up(taken.folder.parent)
    assert (again.copied, len(again.contents.artefacts)) == (1, FILES + 1)
    assert newest_backup(taken.folder.parent) == again.folder
    assert forget_older(taken.folder.parent, 5) == []
    shutil.rmtree(again.folder)


def test_copies_expire_with_their_backups(site: Site, copy: Path) -> None:
    """A file that was disposed of leaves the copies when the last backup that names it goes."""
    pool = ArtefactStore(copy.parent / "artefacts")
    gone = next(iter(read_contents(copy).artefacts))
    again = take_backup(
        layout=site.layout,
        out=copy.parent,
        where=site.cluster.address(roles.SUPERUSER),
        disposed={gone},
    )
    assert pool.verify(gone)
    assert forget_older(copy.parent, 1) == [copy.name]
    assert not pool.path_of(gone).exists()
    assert check_backup(again.folder).artefacts.keys() == {*read_contents(again.folder).artefacts} - {gone}
    with pytest.raises(BackupFailed, match="at least one"):
        forget_older(copy.parent, 0)


@pytest.mark.requirement("K-13")
def test_copies_of_keys_go_with_their_backup(site: Site, tmp_path: Path) -> None:
    """An erasure has reached the backups when the last one from before it is gone, with its keys."""
    out, keys = tmp_path / "out", tmp_path / "keys"
    first, second = (site.back_up(out, keys=keys).folder.name for _ in range(2))
    with (keys / first / "vault.key").open("rb") as held:
        assert forget_older(out, 1, keys) == [first]
        assert set(held.read()) == {0}
    assert [one.name for one in keys.iterdir()] == [second]
    assert (keys / second / "vault.key").read_bytes() == (site.layout.keys / "vault.key").read_bytes()


def test_a_lost_or_altered_file_is_named_and_does_not_count_as_copied(site: Site, tmp_path: Path) -> None:
    lost = store_artefact(b"lost" * 9, media_type="text/plain").sha256
    altered = store_artefact(b"altered" * 9, media_type="text/plain").sha256
    store = ArtefactStore(site.layout.artefacts)
    kept = store.path_of(lost).read_bytes()
    store.path_of(lost).unlink()
    flip(store.path_of(altered))
    try:
        found = site.back_up(tmp_path / "out")
    finally:
        store.remove(altered)
        store_artefact(kept, media_type="text/plain")
        store_artefact(b"altered" * 9, media_type="text/plain")
    assert found.contents.faults == [lost, altered]
    assert not {lost, altered} & {file.name for file in (tmp_path / "out").rglob("*")}


@pytest.mark.parametrize("of", ["inside", "keys inside"])
def test_a_copy_among_what_is_copied_is_refused(site: Site, tmp_path: Path, of: str) -> None:
    out = site.layout.root / "backups" if of == "inside" else tmp_path / "out"
    with pytest.raises(BackupFailed, match="inside of"):
        site.back_up(out, keys=out / "keys")
    assert not out.exists()


@pytest.mark.requirement("K-13")
@pytest.mark.parametrize("below", [".", "keys", "keys/copies"])
def test_copies_of_keys_do_not_lie_in_the_place_that_they_open(
    site: Site, tmp_path: Path, below: str
) -> None:
    """They would outlive every rotation and erasure beside the keys in use."""
    before = sorted(site.layout.keys.iterdir())
    with pytest.raises(BackupFailed, match="inside of"):
        site.back_up(tmp_path / "out", keys=site.layout.root / below)
    assert sorted(site.layout.keys.iterdir()) == before
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("keep", [0, -1])
def test_how_many_to_keep_is_refused_before_anything_is_copied(tmp_path: Path, keep: int) -> None:
    with pytest.raises(CommandError, match="at least one backup"):
        call_command("backup", out=tmp_path / "out", keep=keep)
    assert not (tmp_path / "out").exists()


@pytest.mark.faults
def test_a_killed_backup_counts_for_nothing(site: Site, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "manage.py", "backup", "--out", str(out), "--skip-checks"]
    environment = site.cluster.environment() | {
        "DATABASE_BACKUP_URL": servers.url(site.cluster.address(roles.SUPERUSER))
    }
    process = subprocess.Popen(command, cwd=servers.BASE, env=environment, stdout=-3, stderr=-3)
    while not list(out.glob(".partial-*/base/base")):
        assert process.poll() is None, "it was done before it could be killed"
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert finished_backups(out) == []
    assert list(out.glob(".partial-*"))
    with pytest.raises(BackupFailed, match="no finished backup"):
        drill(backups=out, witness=site.witness)
    found = site.back_up(out)
    assert finished_backups(out) == [found.folder]
    assert check_backup(found.folder) == found.contents


def test_a_full_disk_is_said_before_anything_is_written(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mes.backup.tools.shutil.disk_usage", lambda _place: SimpleNamespace(free=1_000_000))
    with pytest.raises(BackupFailed, match=r"has 1 MB free.*are needed"):
        site.back_up(tmp_path / "out")
    assert [file.name for file in (tmp_path / "out").iterdir()] == [".lock"]


def test_a_disk_that_fills_meanwhile_leaves_nothing(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(taking, "_copy_files", full)
    with pytest.raises(BackupFailed, match="is full"):
        site.back_up(tmp_path / "out")
    assert [file.name for file in (tmp_path / "out").iterdir()] == [".lock"]


def test_two_at_once_are_refused(site: Site, tmp_path: Path) -> None:
    with taking._one_at_a_time(tmp_path), pytest.raises(BackupFailed, match="Another backup"):
        site.back_up(tmp_path)


# --- restoring


def _a_table(folder: Path) -> Path:
    return max(
        (folder / "base" / "base").rglob("[0-9]*"), key=lambda file: file.stat().st_size * file.is_file()
    )


SPOILT: dict[str, Callable[[Path], Path]] = {
    "a table": _a_table,
    "the WAL": lambda folder: next((folder / "base" / "pg_wal").glob("0*")),
    "a stored file": lambda folder: next((folder.parent / "artefacts").glob("??/*")),
    "the witness": lambda folder: folder / "witness" / "seals.jsonl",
    "a public key": lambda folder: next((folder / "public").iterdir()),
    "the manifest": lambda folder: folder / "base" / "backup_manifest",
    "the list": lambda folder: folder / FILE,
}


@pytest.mark.parametrize("part", SPOILT)
def test_one_flipped_byte_is_named_and_nothing_is_restored(copy: Path, tmp_path: Path, part: str) -> None:
    file = SPOILT[part](copy)
    flip(file, at=300 if part == "the WAL" else -1)
    with pytest.raises(BackupAltered, match=file.name):
        restore(source=copy, into=tmp_path / "var")
    assert not (tmp_path / "var").exists()
    assert not (tmp_path / ".var.partial").exists()


@pytest.mark.parametrize("part", ["a table", "a stored file", "the witness"])
def test_a_missing_part_is_named(copy: Path, tmp_path: Path, part: str) -> None:
    file = SPOILT[part](copy)
    file.unlink()
    with pytest.raises(BackupAltered, match=file.name):
        restore(source=copy, into=tmp_path / "var")


def test_nothing_is_restored_over_something(taken: Taken, tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "mine").write_text("kept")
    with pytest.raises(BackupFailed, match="not empty"):
        restore(source=taken.folder, into=tmp_path / "var")
    assert (tmp_path / "var" / "mine").read_text() == "kept"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"postgres": 17}, "PostgreSQL 17"),
        ({"migrations": ["mes.9999_later"]}, "which is newer: mes.9999_later"),
        ({"format": 2}, "format 2"),
    ],
)
def test_another_version_is_said(copy: Path, tmp_path: Path, change: dict[str, Any], said: str) -> None:
    replace(read_contents(copy), **change).write(copy)
    with pytest.raises(BackupFailed, match=said):
        restore(source=copy, into=tmp_path / "var")
    assert not (tmp_path / "var").exists()


@pytest.mark.requirement("K-13")
def test_keys_come_back_from_their_own_folder(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And open the rows that were copied with them: the vault's key changes before a backup or after it."""
    asked = []

    def copied(where: dict[str, str], target: Path) -> None:
        base_backup(where, target)
        with pytest.raises(Conflict, match="Another process rotates"):
            rotate(purpose="wrap", batch=10)
        asked.append(target)

    monkeypatch.setattr(taking, "base_backup", copied)
    found = site.back_up(tmp_path / "out", keys=tmp_path / "keys")
    beside = site.back_up(tmp_path / "beside", keys=tmp_path / "keys").folder.name
    assert asked
    assert {one.name for one in (tmp_path / "keys").iterdir()} == {found.folder.name, beside}
    restore(source=tmp_path / "out", into=tmp_path / "with", keys=tmp_path / "keys")
    assert missing_keys(tmp_path / "with") == []
    for name in NEEDED:
        restored = Layout(tmp_path / "with").keys / name
        assert restored.read_bytes() == (site.layout.keys / name).read_bytes()
        assert restored.stat().st_mode & 0o777 == 0o600
    ring = site.layout.keys / "vault.key"
    own = ring.read_text()
    ring.write_text("ab" * 32)
    try:
        with pytest.raises(BackupFailed, match=r"does not hold the keys .*vault\.key: "):
            site.back_up(tmp_path / "strange", keys=tmp_path / "keys")
    finally:
        ring.write_text(own)
    assert {one.name for one in (tmp_path / "keys").iterdir()} == {found.folder.name, beside}
    assert finished_backups(tmp_path / "strange") == []
    with pytest.raises(BackupFailed, match="no keys"):
        restore(source=found.folder, into=tmp_path / "other", keys=tmp_path / "out")
    assert not (tmp_path / "other").exists()


@pytest.mark.requirement("R-16")
def test_an_old_backup_put_back_is_named_through_the_witness(
    site: Site, taken: Taken, tmp_path: Path
) -> None:
    site.happen()
    site.seal()
    restore(source=taken.folder, into=tmp_path / "var")
    place = Layout(tmp_path / "var")
    assert {"vault.key", "vault_index.key", "seal.key", "signing.key"} <= set(missing_keys(place.root))
    with serving(place):
        assert verified(place, site, place.witness / "seals.jsonl") == ("VALID", None)
        result, bad = verified(place, site, site.witness)
    assert (result, bad and bad["what"]) == ("ALTERED", "witness")
    assert bad is not None
    assert "gone or different" in bad["where"]


def verified(place: Cluster | Layout, site: Site, witness: Path) -> tuple[str, dict[str, Any] | None]:
    """What `verify` says about the record of another place."""
    layout = place if isinstance(place, Layout) else place.layout
    with leading_to(layout, site):
        found = verify(keys=public_keys(layout.keys), witness=witness, files=ArtefactStore(layout.artefacts))
    return found.result, found.first_bad


@contextmanager
def leading_to(layout: Layout, site: Site, role: Role = Role.APP) -> Iterator[None]:
    where = roles.embedded_address(role.login, layout, roles.password_file(role.login, layout))
    back = _where(site.cluster) | {"user": Role.APP.login}
    try:
        _lead_to(HOST=where["host"], NAME=where["dbname"], PASSWORD=where["password"], USER=where["user"])
        yield
    finally:
        _lead_to(**{key.upper(): value for key, value in back.items()})


# --- drills


def test_a_drill_of_a_backup_taken_during_work_is_written_down(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the commands; events go on being written and sealed meanwhile (R-14)."""
    monkeypatch.setenv("DATABASE_BACKUP_URL", servers.url(site.cluster.address(roles.SUPERUSER)))
    stop = threading.Event()
    worker = threading.Thread(target=_work, args=(site, stop))
    worker.start()
    try:
        call_command("backup", out=tmp_path / "out", keys=tmp_path / "keys")
    finally:
        stop.set()
        worker.join()
    site.seal()
    call_command("drill", backups=tmp_path / "out", place=tmp_path, keys=tmp_path / "keys")
    (ring,) = (tmp_path / "keys").glob("*/vault.key")
    ring.write_text("ab" * 32)
    with closing(roles.connect(site.cluster.address(roles.SUPERUSER))) as record:
        assert "vault.key: " in lost_keys(record, ring.parent)
    done, backup = RestoreDrill.objects.latest("pk"), Backup.objects.latest("pk")
    assert (done.digest_match, done.problem, done.backup) == (True, "", backup.name)
    assert backup.events <= done.events <= EventRecord.objects.count()
    assert backup.tree_size == done.tree_size
    assert not Path(done.restored_to).exists()
    fact = EventRecord.objects.get(type="mes.restore_drilled", stream_id=str(done.pk))
    assert json.loads(fact.payload)["digest_match"] is True
    assert "restored, VALID" in capsys.readouterr().out


def _work(site: Site, stop: threading.Event) -> None:
    try:
        while not stop.is_set():
            site.happen(1)
    finally:
        connection.close()


def test_a_drill_of_a_spoilt_backup_fails_and_is_written_down(
    site: Site, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = SPOILT["a stored file"](copy)
    flip(file)
    with pytest.raises(SystemExit) as ended:
        call_command("drill", backups=copy.parent)
    assert ended.value.code == 1
    done = RestoreDrill.objects.latest("pk")
    assert not done.digest_match
    assert file.name in done.problem
    assert "CANNOT be relied on" in capsys.readouterr().err


def test_a_drill_against_a_witness_that_knows_otherwise_fails(site: Site, tmp_path: Path) -> None:
    other = tmp_path / "seals.jsonl"
    told = [line for _, _, line in Witness(site.witness).lines()]
    last = Told.parse(told[-1])
    assert unknown_to(site.witness, last) == ""
    other.write_bytes(b"".join(told[:-1]))
    assert "the living witness" in unknown_to(other, last)
    other.write_bytes(b"".join([*told[:-1], replace(last, root="0" * 64).line()]))
    assert "another seal" in unknown_to(other, last)
    assert "older than the backup" in unknown_to(site.witness, replace(last, tree_size=last.tree_size + 1))
    assert "does not know" in unknown_to(tmp_path / "none", last)


def test_no_backup_at_all_is_said(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"no finished backup.*manage.py backup"):
        call_command("drill", backups=tmp_path)


# --- a logical restore


@pytest.mark.requirement("R-16")
def test_a_logical_restore_opens_a_new_epoch(site: Site, tmp_path: Path) -> None:
    """Its server counts transactions from the beginning: without an epoch, new events would sort before old ones."""
    with site.cluster.connect() as connected, connected.pipeline():
        for _ in range(8000):
            connected.execute("SELECT pg_current_xact_id()")
    site.happen()
    site.seal()
    dump = tmp_path / "record.dump"
    _tool("pg_dump", site.cluster.address(roles.SUPERUSER), "--format=custom", f"--file={dump}")
    fresh = Cluster(tmp_path / "var", servers.DISPOSABLE)
    fresh.start_postgres()
    try:
        roles.bootstrap(fresh.layout)
        _tool(
            "pg_restore", fresh.address(roles.SUPERUSER), "--single-transaction", "--dbname=lamina", str(dump)
        )
        for folder, source in ((fresh.layout.witness, site.witness), *((fresh.layout.keys, key) for pattern in ("seal*", "vault*") for key in site.layout.keys.glob(pattern))):  # fmt: skip
            shutil.copy(source, folder)
        shutil.copytree(site.layout.artefacts, fresh.layout.artefacts, dirs_exist_ok=True)
        epochs = "SELECT array_agg(number ORDER BY number) FROM mes_epoch"
        with fresh.connect() as connected:
            assert connected.execute(epochs).fetchone() == ([1],)
        _prepare(fresh)
        with fresh.connect() as connected:
            assert connected.execute(epochs).fetchone() == ([1, 2],)
            tx = connected.execute(
                "SELECT max(tx) > pg_current_xact_id()::text::bigint FROM mes_event"
            ).fetchone()
            assert tx == (True,)
        with leading_to(fresh.layout, site):
            make_person()
        with leading_to(fresh.layout, site, Role.SEALER):
            assert Sealer(load_key(fresh.layout.keys), fresh.layout.witness / "seals.jsonl").seal_once() == 1
        assert verified(fresh, site, fresh.layout.witness / "seals.jsonl") == ("VALID", None)
    finally:
        fresh.stop()


def _tool(name: str, where: dict[str, str], *arguments: str) -> None:
    argv = [str(binaries() / name), "-h", where["host"], "-U", where["user"], *arguments]
    argv += ["lamina"] if name == "pg_dump" else []
    subprocess.run(argv, env=os.environ | {"PGPASSWORD": where["password"]}, check=True)


def _prepare(cluster: Cluster) -> None:
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_", "LAMINA_"))
    }
    place = {"LAMINA_VAR": str(cluster.layout.root), "DJANGO_SETTINGS_MODULE": "mes.settings"}
    command = [sys.executable, "manage.py", "prepare_database", "--quiet"]
    subprocess.run(command, cwd=servers.BASE, env=inherited | place, check=True, capture_output=True)
