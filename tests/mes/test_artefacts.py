"""Files of the record: addressed by content, complete or not there at all (K-07)."""

import hashlib
import io
import os
from pathlib import Path

import pytest

from mes.artefacts import ArtefactStore
from mes.exceptions import InvalidInput, Refused
from mes.models import Artefact
from mes.services import artefacts
from mes.services.artefacts import artefact_path, open_artefact, require_intact, store_artefact

pytestmark = pytest.mark.requirement("K-07")
CONTENT = bytes(range(256)) * 4096
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> ArtefactStore:
    return ArtefactStore(tmp_path / "artefacts")


def files(store: ArtefactStore) -> list[Path]:
    return [path for path in store.folder.rglob("*") if path.is_file()]


class Torn(io.BytesIO):
    """A sender that goes away in the middle."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > 1_000_000:
            raise ConnectionResetError
        return super().read(size)


def test_a_file_lies_under_its_digest_and_is_read_only(store: ArtefactStore) -> None:
    stored = store.put(io.BytesIO(CONTENT))
    assert (stored.sha256, stored.size) == (DIGEST, len(CONTENT))
    assert store.path_of(DIGEST).read_bytes() == CONTENT
    assert store.path_of(DIGEST).stat().st_mode & 0o777 == 0o440
    assert store.verify(DIGEST)


def test_the_same_content_lies_there_once(store: ArtefactStore) -> None:
    for _ in range(2):
        store.put(io.BytesIO(CONTENT))
    assert len(files(store)) == 1


def test_nothing_is_left_of_a_torn_upload(store: ArtefactStore) -> None:
    with pytest.raises(ConnectionResetError):
        store.put(Torn(CONTENT))
    assert files(store) == []


def test_nothing_stands_under_the_name_before_everything_is_written(
    store: ArtefactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash between the write and the rename: what is there is no artefact, and the next attempt succeeds."""

    def crash(*_: object) -> None:
        assert not store.path_of(DIGEST).exists()
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(os, "replace", crash)
        broken.setattr(Path, "unlink", lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt):
            store.put(io.BytesIO(CONTENT))
    assert not store.path_of(DIGEST).exists()
    assert not store.verify(DIGEST)
    store.put(io.BytesIO(CONTENT))
    assert store.verify(DIGEST)


def test_a_file_beyond_the_limit_is_refused_and_leaves_nothing(store: ArtefactStore) -> None:
    store.put(io.BytesIO(b"x" * 1000), limit=1000)
    with pytest.raises(InvalidInput, match="larger than"):
        store.put(io.BytesIO(b"y" * 1001), limit=1000)
    assert len(files(store)) == 1


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "a" * 63, "A" * 64, DIGEST + "\n", "/" + "a" * 63])
def test_only_a_digest_names_a_file(store: ArtefactStore, name: str) -> None:
    with pytest.raises(InvalidInput):
        store.path_of(name)


def test_an_altered_or_missing_file_is_noticed(store: ArtefactStore) -> None:
    store.put(io.BytesIO(CONTENT))
    place = store.path_of(DIGEST)
    place.chmod(0o600)
    with place.open("r+b") as file:
        file.seek(1_500_000)
        file.write(b"\x00\x01")
    assert not store.verify(DIGEST)
    place.unlink()
    assert not store.verify(DIGEST)


@pytest.mark.django_db
@pytest.mark.requirement("G-INT-01")
def test_the_record_has_one_row_for_each_content(
    store: ArtefactStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(artefacts, "store", lambda: store)
    source = tmp_path / "Doe Jane.stl"
    source.write_bytes(CONTENT)
    stored = store_artefact(source, media_type="model/stl")
    assert store_artefact(CONTENT, media_type="application/octet-stream") == stored
    assert store_artefact(io.BytesIO(CONTENT), media_type="model/stl") == stored
    assert list(Artefact.objects.values_list("sha256", "size", "media_type")) == [
        (DIGEST, len(CONTENT), "model/stl")
    ]
    with open_artefact(stored) as file:
        assert file.read() == CONTENT
    require_intact(stored)
    artefact_path(stored).unlink()
    with pytest.raises(Refused, match="G-INT-01"):
        require_intact(stored)
