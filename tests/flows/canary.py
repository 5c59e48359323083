"""Looking for a patient who must not be found: in files and archives, the broker, the database, and what was told."""

from __future__ import annotations

import base64
import gzip
import io
import re
import threading
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import numpy as np
import numpy.typing as npt
import redis

from tests.patience import PATIENCE_S

DEEPEST = 6
STREAM = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.DOTALL)
CHUNK = 64 * 1024 * 1024
CLOCK_S = 1.0
"""The clock of files may be a little behind."""
LENGTH, BITS = 4, 16
WORD = np.dtype("<u4")
SPREAD = WORD.type(0x9E3779B1)
Words = npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Canary:
    """What one patient is known by. Every value is made up, long, and nobody else's."""

    patient_id: str = "ZZCAN-7F3A-90210"
    family_name: str = "Zzkanarienvogel"
    given_name: str = "Quokkabertha"
    birth_date: str = "1931-03-07"
    others: tuple[str, ...] = (
        "Zzweidenweg", "ZZACC4711", "Zzzuweiserarzt", "zzprivatemark", "Zzkommentarvogel", "Zzdateiname", "Zzaltername",
    )  # fmt: skip

    @property
    def words(self) -> tuple[str, ...]:
        return (
            self.patient_id,
            self.patient_id.replace("-", ""),
            self.family_name,
            self.given_name,
            *self.others,
        )


def _forms(word: str) -> Iterator[bytes]:
    """A word as it might be written, in lower case where case does not count."""
    plain = word.casefold()
    for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
        yield plain.encode(encoding)
    for spelt in (word, word.upper(), plain):
        yield spelt.encode().hex().encode()
    yield quote(plain, safe="").encode().lower()
    yield quote_plus(plain).encode().lower()


def _base64_forms(word: str) -> Iterator[bytes]:
    """The part of a word's base64 that does not depend on its neighbours, at each of the three alignments."""
    for text in (word, word.upper(), word.casefold()):
        for shift in range(3):
            whole = base64.b64encode(b"\0" * shift + text.encode())
            yield whole[-(-shift * 8 // 6) + 1 : len(text) * 4 // 3 - 2]


def _dates(born: str) -> Iterator[bytes]:
    """A date of birth as it might be written."""
    year, month, day = born.split("-")
    short = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")[
        int(month) - 1
    ]
    for form in (
        f"{year}-{month}-{day}", f"{day}.{month}.{year}", f"{month}/{day}/{year}", f"{day} {short} {year}",
        f"{int(day)} {short} {year}", f"{year}{month}{day}",
    ):  # fmt: skip
        yield form.encode()


def _stands_alone(form: bytes, data: bytes) -> bool:
    """Eight digits come about by chance inside a digest; between other signs they are a date."""
    return not form.isdigit() or re.search(rb"(?<![0-9a-f])" + form + rb"(?![0-9a-f])", data) is not None


class Starts:
    """Which of many forms may stand in data, by their first four bytes: one pass over the data instead of one for each."""

    def __init__(self, forms: Iterable[bytes]) -> None:
        self._by_start: dict[int, set[bytes]] = {}
        for form in forms:
            start = int.from_bytes(form.lower()[:LENGTH], "little")
            self._by_start.setdefault(start, set()).add(form)
        self._known = np.array(sorted(self._by_start), dtype=WORD)
        self._table = np.zeros(1 << BITS, dtype=bool)
        self._table[self._slots(self._known)] = True

    @staticmethod
    def _slots(words: Words) -> Words:
        return (words * SPREAD) >> WORD.type(32 - BITS)

    def in_(self, lower: bytes) -> set[bytes]:
        """Every form that stands in the data in lower case, and few that do not."""
        found: set[bytes] = set()
        for shift in range(min(LENGTH, len(lower) - LENGTH + 1)):
            words = np.frombuffer(lower, WORD, count=(len(lower) - shift) // LENGTH, offset=shift)
            likely = words[self._table[self._slots(words)]]
            for start in np.intersect1d(likely, self._known).tolist() if likely.size else ():
                found |= self._by_start[start]
        return found


@dataclass
class Search:
    """Everything that was found, with where: "log: family name"."""

    canary: Canary = field(default_factory=Canary)
    found: list[str] = field(default_factory=list)
    looked_at: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        words = self.canary.words
        self._any_case = {form for word in words for form in _forms(word)} | {*_dates(self.canary.birth_date)}
        self._exact = {form for word in words for form in _base64_forms(word) if len(form) > 7}
        self._starts = Starts(self._any_case | self._exact)

    def look(self, where: str, data: bytes | str, depth: int = 0) -> None:
        """Search bytes or text, and whatever they hold compressed."""
        data = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
        kind, lower = where.partition(":")[0], data.lower()
        self.looked_at[kind] = self.looked_at.get(kind, 0) + len(data)
        possible = self._starts.in_(lower)
        hits = [form for form in self._any_case & possible if form in lower and _stands_alone(form, lower)]
        hits += [form for form in self._exact & possible if form in data]
        self.found += [f"{where} ({hit.decode('latin-1')})" for hit in hits]
        if depth < DEEPEST:
            for name, inner in _inside(data):
                self.look(f"{where}!{name}", inner, depth + 1)

    def folder(self, kind: str, folder: Path, since: float = 0.0) -> None:
        """Every file below a folder that was written since a moment (s of Unix), and every file's name."""
        for path in sorted(folder.rglob("*")):
            self.look(f"{kind}: name", str(path.relative_to(folder)))
            if path.is_file() and not path.is_symlink() and path.stat().st_mtime >= since:
                with path.open("rb") as file:
                    while data := file.read(CHUNK):
                        self.look(f"{kind}: {path.relative_to(folder)}", data)

    def broker(self, client: redis.Redis) -> None:
        """Every key and value of every kind."""
        for key in client.scan_iter(count=500):
            self.look("valkey: key", key)
            self.look(f"valkey: {key!r}", client.dump(key) or b"")
            for value in _values(client, key):
                self.look(f"valkey: {key!r}", value)

    def tables(self, connection: Any) -> None:
        """Every row of every table as text: what the disk may hold compressed."""
        names = connection.execute(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
        )
        for (name,) in names.fetchall():
            with (
                connection.cursor() as cursor,
                cursor.copy(f'COPY (SELECT * FROM "{name}") TO STDOUT') as rows,
            ):
                for row in rows:
                    self.look(f"row: {name}", bytes(row))


def _values(client: Any, key: bytes) -> Iterator[bytes]:
    kind = client.type(key)
    if kind == b"string":
        yield client.get(key) or b""
    elif kind == b"list":
        yield from client.lrange(key, 0, -1)
    elif kind == b"hash":
        for name, value in client.hgetall(key).items():
            yield from (name, value)
    elif kind == b"set":
        yield from client.smembers(key)
    elif kind == b"zset":
        yield from client.zrange(key, 0, -1)
    elif kind == b"stream":
        yield from (part for _, fields in client.xrange(key) for pair in fields.items() for part in pair)


def _inside(data: bytes) -> Iterator[tuple[str, bytes]]:
    """What is packed inside: zip (NPZ and 3MF too), gzip, and the streams of a PDF."""
    if data[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            yield "comment", archive.comment
            for entry in archive.infolist():
                yield f"{entry.filename}#name", entry.filename.encode() + entry.extra + entry.comment
                yield entry.filename, archive.read(entry)
    elif data[:2] == b"\x1f\x8b":
        yield "gzip", gzip.decompress(data)
    elif data[:5] == b"%PDF-":
        for number, stream in enumerate(STREAM.findall(data)):
            unpacked = zlib.decompressobj()
            try:
                yield f"stream {number}", unpacked.decompress(stream)
            except zlib.error:
                continue


class Listener:
    """Everything that anybody says to the broker while it listens, messages that nobody keeps included."""

    def __init__(self, url: str) -> None:
        self.heard: list[str] = []
        # Quiet minutes are no fault: it waits for as long as the story takes.
        self._url, self._client = url, redis.Redis.from_url(url, socket_timeout=None)
        self._ready, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def _listen(self) -> None:
        listening: Any = self._client
        with listening.monitor() as monitor:
            self._ready.set()
            while not self._stop.is_set():
                self.heard.append(str(monitor.next_command()))

    def __enter__(self) -> Listener:
        self._thread.start()
        assert self._ready.wait(PATIENCE_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        with redis.Redis.from_url(self._url) as other:
            other.ping()
        self._thread.join(PATIENCE_S)
        self._client.close()
