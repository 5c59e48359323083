"""Check an exported device record: `python verify_record.py FILE [--key PUBKEY] [--fingerprint HEX]`.

Exit status 0: no finding. 1: something was changed, and every finding says where. The last line says which: VALID, where
nothing was changed and the key that you named signed it; CONSISTENT, where everything agrees with everything and nothing
proves who made it, because no key was named; ALTERED, or UNVERIFIABLE. Python 3.9 or newer and the package `cryptography`
are all it needs; nothing of Lamina, no network and no database (21 CFR 11.10(a) and (b), 11.70).

Texts of the bundle are somebody's until they are proven: they are printed escaped and cut, one line for each.

A bundle is a ZIP archive written in one way only: entries stored, no dates, no comments, in the order of its manifest. The
archive is compared byte for byte with what that way gives, so there is no byte in it that nothing checks.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import itertools
import json
import os
import re
import struct
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, Callable, NamedTuple, Optional

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

VERSION = "1"
SCHEMA = "lamina.export/1"
RECORDS = ("lamina.device_record/1", "lamina.subject_record/1")
"""Of a device; and of an order or a lot that no device came of."""
CHUNK = 1 << 20
MOST_ENTRIES = 20_000
LARGEST_DOCUMENT = 512 << 20
"""Bytes. Larger than any record; what is larger is named and not read into memory."""
MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
DOCUMENTS = (
    "audit.csv", "genealogy.csv", "genealogy.json", "proofs.json", "record.json", "record.pdf", "signatures.json",
    "verify_record.py",
)  # fmt: skip
NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(/[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*)?")
HEX64 = re.compile("[0-9a-f]{64}")
LEAF = (
    "pos", "tx", "epoch", "uid", "stream_type", "stream_id", "version", "type", "schema_version", "payload", "actor",
    "reason", "correlation", "causation", "occurred_at", "recorded_at", "software", "record_schema", "record_digest",
)  # fmt: skip
EMPTY_ROOT = hashlib.sha256().hexdigest()
LONGEST_TEXT, LONGEST_LINE = 80, 400
FAULTS = (
    ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError, OverflowError, MemoryError, struct.error,
    zlib.error,
)  # fmt: skip
MOST_NAMED = 20
"""Versions of one stream that are named one by one; a forger may state that there are any number."""


# --- what is printed


def escaped(text: str) -> str:
    """Printable letters in one line: what a terminal would obey, hide or turn round, and line ends, as `\\x1b` and the like."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


def quoted(value: Any) -> str:
    """A value of the bundle within a sentence: quoted, in ASCII and cut, so that it is never taken for the sentence."""
    text = ascii(value)
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + " …"


def as_line(text: str, encoding: str) -> str:
    """One line of output, whatever is in it and whatever the terminal can show."""
    line = " ".join(escaped(text[: LONGEST_LINE * 2]).split())
    line = line.encode(encoding, "backslashreplace").decode(encoding)
    return line if len(line) <= LONGEST_LINE else line[:LONGEST_LINE] + " ..."


# --- the one way in which a bundle is written


def local_header(name: bytes, size: int, crc: int) -> bytes:
    """Of a stored entry of 1 January 1980, as PKWARE's APPNOTE 4.3.7 has it."""
    return struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 0, 0, 0x21, crc, size, size, len(name), 0) + name


def directory_entry(name: bytes, size: int, crc: int, offset: int) -> bytes:
    fixed = struct.pack("<4s6H3I", b"PK\1\2", 0x314, 20, 0, 0, 0, 0x21, crc, size, size)
    return fixed + struct.pack("<5H2I", len(name), 0, 0, 0, 0, 0o100644 << 16, offset) + name


def directory_end(entries: int, size: int, offset: int) -> bytes:
    return struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, entries, entries, size, offset, 0)


def canonical(value: Any) -> bytes:
    """JSON as it is hashed. There are only texts and integers where this is used, so it is that of RFC 8785."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def as_csv(head: Sequence[str], rows: Any) -> bytes:
    """A table that a spreadsheet shows and never runs: a cell that begins like a formula gets an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(head)
    for row in rows:
        cells = ["" if cell is None else str(cell) for cell in row]
        writer.writerow(["'" + cell if cell[:1] in tuple("=+-@\t\r") else cell for cell in cells])
    return out.getvalue().encode()


AUDIT = (
    "pos", "recorded_at", "occurred_at", "stream_type", "stream_id", "version", "type", "actor", "name", "reason", "payload",
    "uid", "record_digest",
)  # fmt: skip


def audit_csv(record: Mapping[str, Any]) -> bytes:
    """The audit trail of a record as a table: every event, oldest first, with the name of who acted."""
    names = {f"person:{person['id']}": person["name"] for person in record["people"]}
    events = ({**event, "name": names.get(event["actor"], "Lamina")} for event in record["events"])
    return as_csv(AUDIT, ([event[column] for column in AUDIT] for event in events))


def genealogy_csv(genealogy: Mapping[str, Any]) -> bytes:
    head = genealogy["columns"]
    return as_csv(head, ([link[column] for column in head] for link in genealogy["links"]))


def links_digest(genealogy: Mapping[str, Any]) -> str:
    """Of the links from material to device, as a release states them. Packages and plates may change after it."""
    part = {name: genealogy[name] for name in ("device", "columns", "links")}
    return hashlib.sha256(canonical(part)).hexdigest()


def key_id(public: bytes) -> str:
    return hashlib.sha256(public).hexdigest()[:16]


# --- Merkle trees, RFC 6962


def leaf_of(event: Mapping[str, Any]) -> bytes:
    """Of all columns, and of the digest of the field changes that came with it, if any did."""
    names = (*LEAF, "changes") if "changes" in event else LEAF
    return hashlib.sha256(b"\0" + canonical({name: event[name] for name in names})).digest()


def node_of(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def climbs(start: bytes, node: int, last: int, path: Sequence[bytes]) -> Optional[tuple[bytes, bytes]]:
    """Both roots that a path leads to (RFC 9162 2.1.4.2): of the older tree and of the newer; None if it leads nowhere."""
    before = after = start
    for other in path:
        if last == 0:
            return None
        if node & 1 or node == last:
            before, after = node_of(other, before), node_of(other, after)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            after = node_of(after, other)
        node, last = node >> 1, last >> 1
    return (before, after) if last == 0 else None


def is_included(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    found = climbs(leaf, index, size - 1, path) if 0 <= index < size else None
    return found is not None and found[1] == root


def is_continued(old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether the tree of `new` leaves begins with the one of `old` (0 < old < new)."""
    steps = [*([old_root] if old & (old - 1) == 0 else []), *path]
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    return bool(steps) and climbs(steps[0], node, last, steps[1:]) == (old_root, new_root)


# --- the archive


class Entry(NamedTuple):
    offset: int
    size: int
    crc: int


class Unreadable(Exception):
    """The archive is not one that Lamina wrote: nothing in it can be found by its name."""


def entries_of(file: BinaryIO, length: int) -> dict[str, Entry]:
    """Every entry by name, the archive's own bytes checked. Raises Unreadable, which says where it is otherwise."""
    found: dict[str, Entry] = {}
    directory, at = b"", 0
    while file.seek(at) == at and (head := file.read(30))[:4] == b"PK\3\4":
        name, entry = _entry(file, head, at, length)
        if name in found:
            raise Unreadable(f"entry {name} stands in the archive twice")
        if len(found) == MOST_ENTRIES:
            raise Unreadable(f"there are more than {MOST_ENTRIES} entries")
        found[name] = entry
        directory += directory_entry(name.encode(), entry.size, entry.crc, at)
        at = entry.offset + entry.size
    expected = directory + directory_end(len(found), len(directory), at)
    file.seek(at)
    rest = file.read(len(expected) + 1)
    if rest != expected:
        file.seek(at)
        raise Unreadable(
            f"zip directory: {_directory_fault(found, file.read(len(expected) + 200), expected, at)}"
        )
    return found


def _directory_fault(found: dict[str, Entry], rest: bytes, expected: bytes, at: int) -> str:
    """Where what stands after the last entry differs from what the entries' own headers say, and about which entry."""
    wrong = next((n for n, (one, two) in enumerate(zip(rest, expected)) if one != two), len(expected))
    if rest and rest[:4] not in (b"PK\1\2", b"PK\5\6"):
        follows = rest[30 : 30 + min(120, int.from_bytes(rest[26:28], "little"))].decode(
            "ascii", "backslashreplace"
        )
        after = _after(found)
        return f"byte {at}, {after} begins neither an entry nor the directory (it goes on with {follows!r})"
    place = 0
    for name, entry in found.items():
        size = len(directory_entry(name.encode(), 0, 0, 0))
        if wrong < place + size:
            other = rest[place + 46 : place + size].decode("ascii", "backslashreplace")
            header = entry.offset - 30 - len(name)
            return (
                f"byte {at + wrong} is not what the header of entry {name} at byte {header} says"
                f" (the directory has {other!r} there): one of the two was changed"
            )
        place += size
    return f"byte {at + wrong} is not as Lamina writes it, or entries are missing"


def _after(found: dict[str, Entry]) -> str:
    if not found:
        return "before any entry"
    name, entry = list(found.items())[-1]
    return f"after entry {name}, whose header stands at byte {entry.offset - 30 - len(name)},"


def _entry(file: BinaryIO, head: bytes, at: int, length: int) -> tuple[str, Entry]:
    if len(head) < 30:
        raise Unreadable(f"zip header at byte {at} is cut off")
    crc, size, _, name_length = struct.unpack("<3IH", head[14:28])
    raw = file.read(name_length)
    name = raw.decode("ascii", "backslashreplace")
    shown = repr(name[:120])
    if not NAME.fullmatch(name):
        raise Unreadable(f"zip header at byte {at}: the name {shown} is none that Lamina gives")
    if head + raw != local_header(raw, size, crc):
        raise Unreadable(f"zip header of {name} at byte {at} is not as Lamina writes it")
    offset = at + 30 + name_length
    if offset + size > length:
        raise Unreadable(
            f"entry {name}, whose header stands at byte {at}, is cut off, or its size in the zip header was changed"
        )
    return name, Entry(offset, size, crc)


# --- the checks


class Check:
    """One run over one bundle. `said` collects what a reader should know besides what is wrong."""

    def __init__(self, file: BinaryIO, trusted: Sequence[str] = ()) -> None:
        self.file, self.trusted = file, [text.strip().lower() for text in trusted]
        self.said: list[str] = []
        self.entries: dict[str, Entry] = {}
        self.digests: dict[str, str] = {}
        self.texts: dict[str, bytes] = {}

    def run(self) -> list[str]:
        return list(self.found())

    def found(self) -> Iterator[str]:
        """What is wrong, as it is found: a bundle that exhausts the machine takes back nothing of what was said before."""
        length = self.file.seek(0, os.SEEK_END)
        try:
            self.entries = entries_of(self.file, length)
        except Unreadable as reason:
            yield str(reason)
            return
        for name, entry in self.entries.items():
            yield from self._read(name, entry)
        yield from self._each(
            self.manifest, self.artefacts, self.events, self.streams, self.rows, self.seals, self.signatures, self.papers,
            self.documents,
        )  # fmt: skip

    def findings(self, *checks: Callable[[], Iterator[str]]) -> list[str]:
        """What some checks find; one that cannot even read its part says that."""
        return list(self._each(*checks))

    def _each(self, *checks: Callable[[], Iterator[str]]) -> Iterator[str]:
        for check in checks:
            try:
                yield from check()
            except FAULTS as fault:
                yield f"{check.__name__}: cannot be read ({type(fault).__name__}: {str(fault)[:120]})"

    def _read(self, name: str, entry: Entry) -> Iterator[str]:
        """Hash an entry; keep what is no artefact."""
        digest, crc, left = hashlib.sha256(), 0, entry.size
        kept: list[bytes] = []
        keep = not name.startswith("artefacts/") and entry.size <= LARGEST_DOCUMENT
        self.file.seek(entry.offset)
        while left and (chunk := self.file.read(min(CHUNK, left))):
            digest.update(chunk)
            crc, left = zlib.crc32(chunk, crc), left - len(chunk)
            if keep:
                kept.append(chunk)
        self.digests[name] = digest.hexdigest()
        if keep:
            self.texts[name] = b"".join(kept)
        if crc != entry.crc:
            yield f"{name}: its content is not that of the checksum in the zip header"

    def json(self, name: str) -> Any:
        if name not in self.texts:
            raise ValueError(f"{name} is missing")
        return json.loads(self.texts[name].decode())

    def public(self, kind: str, identifier: str) -> Ed25519PublicKey:
        """A key of the bundle whose id is what its name says. Raises ValueError."""
        text = self.texts.get(f"keys/{kind}-{identifier}.pub", b"").decode("ascii", "replace")
        raw = bytes.fromhex(text.strip()) if HEX64.fullmatch(text.strip()) else b""
        if text != raw.hex() + "\n" or key_id(raw) != identifier:
            raise ValueError(f"keys/{kind}-{identifier}.pub is missing or not the key of that name")
        return Ed25519PublicKey.from_public_bytes(raw)

    def is_signed(self, kind: str, identifier: str, signature: str, content: bytes) -> bool:
        try:
            raw = bytes.fromhex(signature)
            self.public(kind, identifier).verify(raw, content)
        except (InvalidSignature, ValueError):
            return False
        return raw.hex() == signature

    def manifest(self) -> Iterator[str]:
        """The signature over the manifest, and every file against it."""
        manifest = self.json(MANIFEST)
        signature = self.texts.get(SIGNATURE, b"").decode("ascii", "replace")
        signed = self.is_signed("signing", manifest["key_id"], signature[:-1], self.texts[MANIFEST])
        if not signed or signature[-1:] != "\n":
            yield f"{SIGNATURE}: the signature is not over this manifest, or the key is not the one that signed"
        if manifest["schema"] != SCHEMA:
            yield f"{MANIFEST}: schema {quoted(manifest['schema'])} is unknown; use the verifier that came with Lamina then"
        yield from self.key_known(manifest["key_id"])
        stated = {item["path"]: item for item in manifest["files"]}
        order = [*sorted(stated), MANIFEST, SIGNATURE]
        for name in sorted({*order, *self.entries, *DOCUMENTS}):
            if name not in self.entries:
                yield f"{name}: missing"
            elif name not in order:
                yield f"{name}: the manifest does not state it"
        for name, item in stated.items():
            if name in self.entries and item["sha256"] != self.digests[name]:
                yield f"{name}: altered (its SHA-256 is not the one that the manifest states)"
            elif name in self.entries and item["size"] != self.entries[name].size:
                yield f"{name}: its size is not the one that the manifest states"
        if list(self.entries) != order and set(self.entries) == set(order):
            yield f"{MANIFEST}: the entries stand in another order"

    def key_known(self, identifier: str) -> Iterator[str]:
        raw = self.public("signing", identifier).public_bytes_raw()
        fingerprint = hashlib.sha256(raw).hexdigest()
        self.said.append(f"Signed with the Ed25519 key of fingerprint {fingerprint}.")
        if not self.trusted:
            self.said.append(
                "NOTE: that key came from the bundle itself. Compare its fingerprint with the one that the manufacturer "
                "published, or give it with --fingerprint or --key; otherwise anybody could have made this bundle."
            )
        elif not any(text in (raw.hex(), fingerprint) for text in self.trusted):
            yield f"keys/signing-{identifier}.pub: this is not the key that you gave: the bundle is by somebody else"

    def artefacts(self) -> Iterator[str]:
        """Files stand under their own SHA-256; every file that the record names is there, and no other, unless it was destroyed
        after its time: then the certificate says so."""
        gone = self.destroyed()
        named = {item["sha256"]: item for item in self.json("record.json")["artefacts"]}
        there = {name[10:]: name for name in self.entries if name.startswith("artefacts/")}
        for digest, name in sorted(there.items()):
            if self.digests[name] != digest:
                yield f"{name}: altered (its content is not what its name says)"
            if digest not in named:
                yield f"{name}: the record does not name it"
        for digest, item in sorted(named.items()):
            certificate = gone.get(digest)
            if "disposed" in item and (digest in there or item["disposed"] != certificate):
                yield f"artefacts/{digest}: the record says that it was destroyed, and no certificate here explains that"
            elif certificate and "disposed" in item:
                continue
            elif digest not in there:
                yield f"artefacts/{digest}: missing, and named by {quoted(item['named_by'])}"
            elif self.entries[there[digest]].size != item["size"]:
                yield f"artefacts/{digest}: its size is not the one that the record states"

    def destroyed(self) -> dict[str, str]:
        """By digest: the code of the certificate of destruction that two people signed and that was carried out.

        Whether its row and its signatures are authentic, the other checks ask.
        """
        record = self.json("record.json")
        signed = {row["id"]: row for row in self.json("signatures.json")["signatures"]}
        taken_back = {
            json.loads(one["payload"])["withdrawn_id"] for one in record["events"] if one["type"] == WITHDRAWN
        }
        found: dict[str, str] = {}
        for line in record["rows"]:
            kind, _, key = line["stream"].partition("/")
            row = json.loads(line["content"]) if kind == DISPOSAL else {}
            both = [signed.get(row[name]) for name in ("proposal_id", "approval_id")] if row else []
            if (
                row
                and row["stage"] == "carried_out"
                and is_decided(key, row["certificate"], both, taken_back)
            ):
                files = json.loads(row["certificate"])["destroyed"]
                found.update({one["sha256"]: f"Z{int(key):07d}" for one in files})
        return found

    def events(self) -> Iterator[str]:
        """Each event's leaf from its columns, and the path from it to a signed seal."""
        proofs = self.json("proofs.json")
        by_pos = {proof["pos"]: proof for proof in proofs["proofs"]}
        last = (0, 0, 0), -1
        for event in self.json("record.json")["events"]:
            where = f"record.json: event {quoted(event['pos'])} ({quoted(event['type'])})"
            proof = by_pos.pop(event["pos"], None)
            if proof is None:
                yield f"{where} has no proof"
                continue
            if set(event) - {"changes"} != set(LEAF):
                yield f"{where} has other columns than an event has"
            leaf = leaf_of(event)
            if leaf.hex() != proof["leaf_hash"]:
                yield f"{where}: altered (its columns do not give the hash of its leaf)"
            seal = json.loads(proofs["seals"][str(proof["tree_size"])]["text"])
            path = [bytes.fromhex(step) for step in proof["path"]]
            root = bytes.fromhex(seal["root"])
            if not is_included(leaf, proof["leaf_index"], proof["tree_size"], path, root):
                yield f"{where}: its proof does not lead to the seal over {proof['tree_size']} events"
            here = (event["epoch"], event["tx"], event["pos"]), proof["leaf_index"]
            if (here[0] > last[0]) != (here[1] > last[1]):
                yield f"{where}: its place in the log is not that of its leaf"
            last = max(last, here)
        for pos in sorted(by_pos):
            yield f"proofs.json: event {pos} is missing from record.json"

    def streams(self) -> Iterator[str]:
        """Versions without gaps, as far as the record says that it tells them."""
        record = self.json("record.json")
        told: dict[tuple[str, str], list[int]] = {}
        for event in record["events"]:
            told.setdefault((event["stream_type"], event["stream_id"]), []).append(event["version"])
        for stream in record["streams"]:
            name = f"{stream['type']}/{stream['id']}"
            versions = sorted(told.pop((stream["type"], stream["id"]), []))
            stated = stream["versions"] if stream["part"] == "extract" else range(1, stream["last"] + 1)
            yield from version_faults(f"record.json: {name}", stated, versions)
        for kind, key in sorted(told):
            yield f"record.json: events of {kind}/{key}, which the record does not list"

    def rows(self) -> Iterator[str]:
        """The rows as they stand, against the digest on the last event of each; what they were, against the leaves."""
        record = self.json("record.json")
        bound = {event["pos"]: event.get("changes") for event in record["events"]}
        for change in record["changes"]:
            if hashlib.sha256(change["lines"].encode()).hexdigest() != bound.get(change["pos"]):
                yield f"record.json: the field changes under event {change['pos']} are not those that its leaf covers"
        newest: dict[str, Mapping[str, Any]] = {}
        for event in record["events"]:
            name = f"{event['stream_type']}/{event['stream_id']}"
            if name not in newest or event["version"] > newest[name]["version"]:
                newest[name] = event
        for row in record["rows"]:
            event = newest[row["stream"]]
            if hashlib.sha256(row["content"].encode()).hexdigest() != event["record_digest"]:
                yield f"record.json: the row {row['stream']} is not the one that event {event['pos']} left"

    def seals(self) -> Iterator[str]:
        """Each seal's signature, and that each tree begins with the one before."""
        proofs = self.json("proofs.json")
        sizes = sorted(int(size) for size in proofs["seals"])
        texts = {size: json.loads(proofs["seals"][str(size)]["text"]) for size in sizes}
        for size in sizes:
            seal = proofs["seals"][str(size)]
            if not self.is_signed("seal", seal["key_id"], seal["signature"], seal["text"].encode()):
                yield f"proofs.json: the seal over {size} events is not signed by its key"
            if (texts[size]["tree_size"], texts[size]["key_id"]) != (size, seal["key_id"]):
                yield f"proofs.json: the seal over {size} events says otherwise of itself"
        paths = {(step["from"], step["to"]): step["path"] for step in proofs["consistency"]}
        for old, new in zip(sizes[:-1], sizes[1:]):
            roots = bytes.fromhex(texts[old]["root"]), bytes.fromhex(texts[new]["root"])
            path = [bytes.fromhex(step) for step in paths.pop((old, new), ())]
            if not is_continued(old, new, roots[0], roots[1], path):
                yield f"proofs.json: nothing shows that the tree of {new} events begins with that of {old}"
        for old, new in sorted(paths):
            yield f"proofs.json: a proof from {old} to {new} events, of which there is no seal"

    def signatures(self) -> Iterator[str]:
        """Each signature over its content, by its signer, in the event that it was given with."""
        record, signatures = self.json("record.json"), self.json("signatures.json")["signatures"]
        shown = {item["id"]: item for item in record["report"]["signatures"]}
        cited: dict[int, list[Mapping[str, Any]]] = {}
        given: dict[str, str] = {}
        for event in record["events"]:
            told = json.loads(event["payload"])
            if isinstance(told.get("signature_id"), int):
                cited.setdefault(told["signature_id"], []).append(event)
            if event["type"] == "mes.signature_given":
                given[told["signature"]] = told["hash"]
        for row in signatures:
            where = f"signatures.json: signature {quoted(row['id'])} of {quoted(row['printed_name'])}"
            for fault in (*signature_faults(row, cited.pop(row["id"], []), shown.pop(row["id"], {})),
                          *self.seal_faults(row, given)):  # fmt: skip
                yield f"{where}: {fault}"
        for number in sorted({*shown, *cited}):
            yield f"signatures.json: signature {number}, which the record names, is missing"

    def seal_faults(self, row: Mapping[str, Any], given: Mapping[str, str]) -> Iterator[str]:
        """Of a signature that the server sealed: binding, seal and the event that tells of it."""
        if "seal" not in row:
            return
        sealed = canonical({name: row[name] for name in SEALED})
        if hashlib.sha256(canonical({name: row[name] for name in BOUND})).hexdigest() != row["binding"]:
            yield "it belongs to another record or another version"
        if not self.is_signed("signing", row["key_id"], row["seal"], sealed):
            yield "altered (the server's seal does not cover these columns)"
        if given.get(row["uid"]) != hashlib.sha256(sealed + row["seal"].encode()).hexdigest():
            yield "no event tells of it as it stands"

    def papers(self) -> Iterator[str]:
        """Each paper signed by hand: its scan is here, the record shows it as its row has it, and its verifier signed that."""
        record, signatures = self.json("record.json"), self.json("signatures.json")["signatures"]
        shown = {item["id"]: item for item in record["report"]["papers"]}
        signed = {row["id"]: row for row in signatures}
        rows = {line["stream"]: json.loads(line["content"]) for line in record["rows"]}
        told = [
            json.loads(one["payload"])
            for one in record["events"]
            if one["type"] == "mes.handwritten_uploaded"
        ]
        for number in [one["handwritten_id"] for one in told]:
            where = f"record.json: the paper {quoted(number)} that was signed by hand"
            row, item = rows.get(f"mes.handwritten_signature/{number}"), shown.pop(number, {})
            if row is None:
                yield f"{where}: its row is missing"
                continue
            for fault in paper_faults(row, item, signed.get(row["verification_id"], {}), self.entries):
                yield f"{where}: {fault}"
        for number in sorted(shown):
            yield f"record.json: the paper {quoted(number)} of its report stands in no event"

    def documents(self) -> Iterator[str]:
        """The tables and the PDF tell what the JSON tells."""
        record, genealogy = self.json("record.json"), self.json("genealogy.json")
        what = f"Device {quoted(record['device'])}, serial {quoted(record['serial'])}"
        if record["schema"] != RECORDS[0]:
            title = quoted(record["report"]["title"])
            what = f"Record {quoted(record['device'])} ({title}), of which there is no device"
        self.said.append(
            f"{what}: {len(record['events'])} events, "
            f"{len(record['artefacts'])} files, mode {quoted(record['mode'])}."
        )
        for code in sorted({item["disposed"] for item in record["artefacts"] if "disposed" in item}):
            many = sum(item.get("disposed") == code for item in record["artefacts"])
            self.said.append(f"NOTE: destroyed under certificate {quoted(code)}: {many} of these files.")
        if self.texts["audit.csv"] != audit_csv(record):
            yield "audit.csv: does not tell the events of record.json"
        if self.texts["genealogy.csv"] != genealogy_csv(genealogy):
            yield "genealogy.csv: does not tell what genealogy.json tells"
        if genealogy["device"] != record["device"] or record["schema"] not in RECORDS:
            yield "genealogy.json or record.json: of another device, or of an unknown schema"
        yield from self.pdf()
        yield from self.release(record, genealogy)

    def release(self, record: Mapping[str, Any], genealogy: Mapping[str, Any]) -> Iterator[str]:
        """What the sealed events state of the release: the record that was signed for, its PDF, and the genealogy."""
        written: list[str] = []
        links, gone = "", self.destroyed()
        for event in record["events"]:
            told = json.loads(event["payload"]) if event["type"] in STATING else {}
            for name in STATING.get(event["type"], ()):
                if f"artefacts/{told[name]}" not in self.entries and told[name] not in gone:
                    yield f"artefacts/{quoted(told[name])}: missing, and stated by event {quoted(event['pos'])} ({event['type']})"
            written += [told["pdf_sha256"]] if f"artefacts/{told.get('pdf_sha256')}" in self.entries else []
            links = told.get("genealogy", links)
        if links and links_digest(genealogy) != links:
            yield "genealogy.json: its links are not those that the event of the release states"
        for digest in written:
            self.said.append(f"NOTE: artefacts/{digest} is the PDF that a sealed event states.")
        alone = [
            "the pages of record.pdf, drawn for this copy",
            "the report in record.json",
            "the names of people",
        ]
        alone.append("packages and plates in genealogy.json" if links else "genealogy.json")
        self.said.append(
            "NOTE: seals and the signers' seals bind the events, rows, files and signatures. The signature over the manifest "
            f"alone vouches for {', '.join(alone)}."
        )

    def pdf(self) -> Iterator[str]:
        """The PDF carries record.json and states its SHA-256 in its description."""
        text = self.texts["record.json"]
        digest = self.digests["record.json"].encode()
        carries = states = False
        for stream in unpacked(self.texts["record.pdf"], len(text) + 1):
            carries = carries or stream == text
            states = states or (b"<?xpacket" in stream[:20] and digest in stream)
        if not carries:
            yield "record.pdf: does not carry record.json"
        if not states:
            yield "record.pdf: does not name the SHA-256 of record.json"


def version_faults(name: str, stated: Sequence[int], versions: Sequence[int]) -> Iterator[str]:
    """Of a stream that states versions, and has others. What it states is never laid out: it may be any number."""
    there, said = set(versions), stated if isinstance(stated, range) else set(stated)
    missing = (version for version in stated if version not in there)
    for version in itertools.islice(missing, MOST_NAMED):
        yield f"{name}@{version} is missing"
    if next(missing, None) is not None:
        yield f"{name}: more versions that it states are missing"
    for version in sorted(there):
        if version not in said:
            yield f"{name}@{version} is one too many"
    if len(versions) != len(there):
        yield f"{name} has a version twice"


# What the server's seal on a signature covers, and what its binding does.
BOUND = ("uid", "seq", "subject_type", "subject_id", "subject_version", "content_digest")
SEALED = (
    "canon_id", "attachments_digest", "meaning", "statement", "statement_version", "comment", "account_id", "username",
    "person_id", "printed_name", "title", "roles", "signed_at", "timezone", "utc_offset", "method", "components",
    "series_id", "position", "batch", "session_digest", "address", "agent", "app_version", "config_version",
    "prev_hash", "binding", "key_id",
)  # fmt: skip
STATING = {
    "quality.device_released": ("record_sha256",),
    "quality.production_record_rendered": ("json_sha256", "pdf_sha256"),
}
"""Events of the release, and which files each states by its SHA-256."""
SHOWN = ("printed_name", "meaning", "statement", "comment", "content_digest", "timezone", "person_id")


def signature_faults(
    row: Mapping[str, Any], events: Sequence[Mapping[str, Any]], shown: Mapping[str, Any]
) -> Iterator[str]:
    """Of one signature against its own content, the events that cite it and what the record shows of it."""
    if hashlib.sha256(row["content"].encode()).hexdigest() != row["content_digest"]:
        yield "altered (its content is not what was signed)"
    if any(event["actor"] != f"person:{row['person_id']}" for event in events[:1]):
        yield "the event that cites it is by somebody else"
    if not shown:
        yield "record.json and record.pdf do not show it (21 CFR 11.50(b))"
    elif {name: row[name] for name in SHOWN} != {name: shown[name] for name in SHOWN}:
        yield "record.json shows it otherwise"
    elif shown["content"] != json.loads(row["content"]) or shown["signed_at_utc"] != row["signed_at"]:
        yield "record.json shows another content or another time"


DISPOSAL, WITHDRAWN = "mes.disposal", "mes.signature_withdrawn"


def is_decided(
    key: str, certificate: str, both: Sequence[Optional[Mapping[str, Any]]], taken_back: set[int]
) -> bool:
    """Whether two people signed this very certificate of destruction, and neither took that back."""
    about = [
        row for row in both
        if row and (row["subject_type"], row["subject_id"], row["content"]) == (DISPOSAL, key, certificate)
        and row["id"] not in taken_back
    ]  # fmt: skip
    return len({row["person_id"] for row in about}) == 2


PAPER = ("printed_name", "meaning", "executed_on")


def paper_faults(
    row: Mapping[str, Any], shown: Mapping[str, Any], seen: Mapping[str, Any], entries: Mapping[str, Any]
) -> Iterator[str]:
    """Of one paper against what the record shows of it, its scan and the signature of who verified it."""
    subject = f"{row['subject_type']}/{row['subject_id']}"
    expected = {**{name: row[name] for name in PAPER}, "subject": subject, "scan": row["scan_id"],
                "verification": row["verification_id"], "verified_by": seen.get("printed_name")}  # fmt: skip
    if {name: shown.get(name) for name in expected} != expected:
        yield "the report shows it otherwise"
    if f"artefacts/{row['scan_id']}" not in entries:
        yield "its scan is missing"
    if row["verification_id"] is None:
        return
    content = json.loads(seen["content"]) if seen else {}
    signed = {"signed_by": row["printed_name"], "of": subject, "scan": row["scan_id"],
              "meaning": row["meaning"], "executed_on": row["executed_on"]}  # fmt: skip
    about = (seen.get("subject_type"), str(seen.get("subject_id")))
    if about != (row["type"], str(row["id"])) or {name: content.get(name) for name in signed} != signed:
        yield "the signature of its verifier is over something else"


def unpacked(pdf: bytes, most: int) -> Iterator[bytes]:
    """The compressed streams of a PDF, up to `most` bytes of each."""
    whole = memoryview(pdf)
    for found in re.finditer(rb"stream\r?\n", pdf):
        try:
            yield zlib.decompressobj().decompress(whole[found.end() : found.end() + most + CHUNK], most)
        except zlib.error:
            continue


def given_key(text: str) -> str:
    """A public key: 64 hexadecimal digits, or a file that holds them."""
    if HEX64.fullmatch(text.strip().lower()):
        return text
    with open(text, encoding="ascii") as file:
        return file.read(200)


def main(arguments: Optional[Sequence[str]] = None) -> int:
    parser = argparse.ArgumentParser(description="Check an exported device record of Lamina.")
    parser.add_argument("file", metavar="FILE", help="the bundle, DHR_<serial>.zip")
    parser.add_argument(
        "--key", action="append", default=[], help="the manufacturer's public key: a file, or hex"
    )
    parser.add_argument("--fingerprint", action="append", default=[], help="the SHA-256 of that key")
    asked = parser.parse_args(arguments)
    bad = 0
    try:
        trusted = [*map(given_key, asked.key), *asked.fingerprint]
        with open(asked.file, "rb") as file:
            check = Check(file, trusted)
            for finding in check.found():
                bad += 1
                tell(f"BAD {finding}")
    except (OSError, ValueError, MemoryError) as failure:
        tell(f"UNVERIFIABLE: {str(failure) or 'this machine has too little memory for it'}")
        return 1
    for line in check.said:
        tell(line)
    tell(verdict(os.path.basename(asked.file), bad, known=bool(trusted)))
    return 1 if bad else 0


def verdict(name: str, findings: int, *, known: bool) -> str:
    """The last line of the output."""
    if findings:
        return f"ALTERED: {name}, {findings} findings"
    if known:
        return f"VALID: {name}, 0 findings, signed with the key that you named"
    return f"CONSISTENT: {name}, 0 findings, of an UNKNOWN MAKER: nothing proves who made it (name a key)"


def tell(text: str) -> None:
    """The one way in which anything is printed."""
    sys.stdout.write(as_line(text, sys.stdout.encoding or "ascii") + "\n")


if __name__ == "__main__":
    sys.exit(main())
