"""The search itself: whatever way a name is written or packed, wherever it lies, it is found."""

from __future__ import annotations

import base64
import gzip
import io
import os
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
import redis
from django.conf import settings

from mes.celery import send_delivery
from mes.embedded import roles
from tests.flows.canary import CLOCK_S, Canary, Listener, Search
from tests.servers import Cluster

pytestmark = pytest.mark.requirement("K-13")
CANARY = Canary()
NAME = CANARY.family_name


def zipped(data: bytes, name: str = "file") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return packed.getvalue()


WRITTEN: dict[str, bytes] = {
    "plain": NAME.encode(),
    "upper case": NAME.upper().encode(),
    "utf-16": NAME.encode("utf-16-le"),
    "hex": NAME.encode().hex().upper().encode(),
    "address": f"/?q={CANARY.patient_id}".encode(),
    "base64": base64.b64encode(NAME.encode()),
    "base64, one on": base64.b64encode(b"x" + NAME.encode() + b"y"),
    "base64, two on": base64.b64encode(b"xy" + NAME.encode() + b"z"),
    "birth date": b"born 1931-03-07",
    "birth date of DICOM": b"DA\x08\x0019310307LO",
    "birth date in words": b"7 Mar 1931",
    "identifier without signs": b"ZZCAN7F3A90210",
    "DICOM name": f"{NAME}^{CANARY.given_name}".encode(),
    "STL header": f"solid {NAME}".encode().ljust(80) + b"\0" * 4,
    "zip": zipped(NAME.encode()),
    "name in a zip": zipped(b"", f"{NAME}.dcm"),
    "zip in a zip": zipped(zipped(NAME.encode())),
    "gzip": gzip.compress(NAME.encode()),
    "PDF": b"%PDF-1.7\nstream\n" + zlib.compress(NAME.encode()) + b"\nendstream",
    "uploaded file's name": CANARY.others[5].encode(),
}


@pytest.mark.parametrize("form", WRITTEN)
def test_every_way_of_writing_is_found(form: str) -> None:
    search = Search(CANARY)
    search.look("here", WRITTEN[form])
    assert search.found


@pytest.mark.parametrize("shift", range(4))
def test_it_is_found_at_every_place_of_a_large_file(shift: int) -> None:
    search, found = Search(CANARY), 0
    for form, data in WRITTEN.items():
        if not data.startswith((b"PK", b"\x1f\x8b", b"%PDF")):
            search.look("here", b"\0" * (4096 + shift) + data + b"\xff" * 4096)
            assert len(search.found) > found, form
            found = len(search.found)
    for end in (b"", b"\0", b"ab", b"abc"):
        search.look("at the end", b"x" * shift + NAME.encode() + end)
        assert len(search.found) > found
        found = len(search.found)


def test_a_file_from_before_the_story_is_not_read_again(tmp_path: Path) -> None:
    old, new = tmp_path / "old.bin", tmp_path / "new.bin"
    for file in (old, new):
        file.write_bytes(NAME.encode())
    os.utime(old, (1000.0, 1000.0))
    search = Search(CANARY)
    search.folder("folder", tmp_path, since=1001.0)
    assert {hit.partition(" (")[0] for hit in search.found} == {"folder: new.bin"}
    search.folder("folder", tmp_path)
    assert "folder: old.bin" in {hit.partition(" (")[0] for hit in search.found}


@pytest.mark.parametrize("other", [b"", b"a19310307f", b"Zzkanarien", b"1931-03-08", bytes(range(256)) * 40])
def test_nothing_else_is(other: bytes) -> None:
    search = Search(CANARY)
    search.look("here", other)
    assert search.found == []


def test_files_are_found_by_content_and_by_name(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.bin").write_bytes(zipped(NAME.encode()))
    (tmp_path / f"{NAME}.stl").touch()
    search = Search(CANARY)
    search.folder("folder", tmp_path)
    assert {hit.partition(" (")[0] for hit in search.found} == {"folder: name", "folder: deep/a.bin!file"}


@pytest.mark.parametrize(
    "plant",
    [
        lambda client: client.set(f"seen:{NAME}", 1),
        lambda client: client.set("seen", NAME),
        lambda client: client.rpush("list", NAME),
        lambda client: client.hset("hash", "name", NAME),
        lambda client: client.sadd("set", NAME),
        lambda client: client.zadd("sorted", {NAME: 1}),
        lambda client: client.xadd("stream", {"name": NAME}),
        lambda client: send_delivery("imaging", 1, NAME),
    ],
)
def test_the_broker_is_searched_through(valkey: redis.Redis, plant: Callable[[redis.Redis], object]) -> None:
    search = Search(CANARY)
    search.broker(valkey)
    assert search.found == []
    plant(valkey)
    search.broker(valkey)
    assert search.found


def test_a_message_that_nobody_keeps_is_heard(valkey: redis.Redis) -> None:
    with Listener(settings.BROKER_URL) as listener:
        valkey.publish("printers", NAME)
    search = Search(CANARY)
    search.look("monitor", "\n".join(listener.heard))
    assert search.found


def test_the_disk_of_the_database_is_searched_through(cluster: Cluster) -> None:
    """As a row's text where it is compressed, and as bytes of the file and of the journal."""
    began = time.time() - CLOCK_S
    cluster.clone("canary")
    try:
        with cluster.connect(roles.SUPERUSER, "canary") as superuser:
            superuser.execute("CREATE TABLE leak (text text)")
            plant(superuser)
            search = Search(CANARY)
            search.tables(superuser)
            assert any(hit.startswith("row: leak") for hit in search.found)
            superuser.execute("CHECKPOINT")
        search = Search(CANARY)
        search.folder("disk", cluster.layout.postgres, since=began)
        places = {hit.split("/")[0] for hit in search.found}
        assert {"disk: base", "disk: pg_wal"} <= places
    finally:
        cluster.drop("canary")


def plant(superuser: psycopg.Connection) -> None:
    superuser.execute("INSERT INTO leak VALUES (%s)", [NAME])
    superuser.execute("DELETE FROM leak")
    superuser.execute("INSERT INTO leak VALUES (%s)", [NAME + "x" * 10_000])
