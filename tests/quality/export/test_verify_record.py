"""One byte changed anywhere in a bundle: the verifier names it. So it does with every way to forge one."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import random
import re
import struct
import subprocess
import sys
import venv
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from quality.export import verify_record
from quality.export.archive import member, stated, write_archive
from quality.export.verify_record import Check
from tests.quality.export.conftest import carrying


def findings(archive: bytes, *trusted: str) -> list[str]:
    return Check(io.BytesIO(archive), trusted).run()


def contents(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        return {name: file.read(name) for name in file.namelist()}


def forged(archive: bytes, key: bytes, changes: Mapping[str, bytes | None], **manifest: Any) -> bytes:
    """The bundle with other files, its manifest made to fit and signed with `key`: what only its holder could do."""
    files = {**contents(archive), **changes}
    stale = json.loads(files.pop("manifest.json") or b"")
    files.pop("manifest.sig")
    members = [member(name, files[name] or b"") for name in sorted(files) if files[name] is not None]
    text = verify_record.canonical({**stale, "files": stated(members), **manifest})
    signature = Ed25519PrivateKey.from_private_bytes(key).sign(text).hex().encode() + b"\n"
    target = io.BytesIO()
    write_archive(target, [*members, member("manifest.json", text), member("manifest.sig", signature)])
    return target.getvalue()


def by_a_forger(archive: bytes, changes: Mapping[str, bytes | None]) -> bytes:
    """Likewise, by somebody who has no key of the manufacturer's: the manifest is signed with one made for it."""
    mine = Ed25519PrivateKey.generate()
    raw = mine.public_key().public_bytes_raw()
    name = verify_record.key_id(raw)
    changes = {**changes, f"keys/signing-{name}.pub": raw.hex().encode() + b"\n"}
    return forged(archive, mine.private_bytes_raw(), changes, key_id=name)


def flipped(archive: bytes, at: int, bit: int = 0) -> bytes:
    return archive[:at] + bytes([archive[at] ^ (1 << bit)]) + archive[at + 1 :]


@pytest.mark.requirement("P11-10")
def test_a_bundle_is_valid_and_its_key_can_be_given(archive: bytes, signing_key: bytes) -> None:
    raw = Ed25519PrivateKey.from_private_bytes(signing_key).public_key().public_bytes_raw()
    assert findings(archive) == []
    assert findings(archive, raw.hex()) == []
    assert findings(archive, hashlib.sha256(raw).hexdigest().upper()) == []
    (other,) = findings(archive, "0" * 64)
    assert "by somebody else" in other


@pytest.mark.requirement("P11-10a")
@pytest.mark.parametrize("flips", [50, pytest.param(500, marks=pytest.mark.slow)])
def test_one_bit_changed_anywhere_is_named(archive: bytes, flips: int) -> None:
    rng = random.Random(20261122)  # noqa: S311 - positions, no secrets
    for at in rng.sample(range(len(archive)), flips):
        assert findings(flipped(archive, at, rng.randrange(8))), f"byte {at}"


@pytest.mark.requirement("P11-10a")
def test_one_byte_changed_in_a_file_names_that_file(archive: bytes) -> None:
    rng = random.Random(7)  # noqa: S311 - positions, no secrets
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        for entry in file.infolist():
            start = entry.header_offset + 30 + len(entry.filename)
            for at in {start, start + entry.file_size - 1, start + rng.randrange(entry.file_size)}:
                found = findings(flipped(archive, at, rng.randrange(8)))
                assert any(entry.filename in one or "manifest" in one for one in found), (
                    entry.filename,
                    found,
                )


@pytest.mark.requirement("P11-10a")
def test_every_byte_of_the_archive_s_own_structure_is_checked(archive: bytes) -> None:
    """Headers, directory and end record: every byte of the first, a middle and the last of each."""
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        entries, directory = file.infolist(), file.start_dir
    places = set(range(directory, directory + 120)) | set(range(len(archive) - 120, len(archive)))
    for entry in (entries[0], entries[len(entries) // 2], entries[-1]):
        places |= set(range(entry.header_offset, entry.header_offset + 30 + len(entry.filename)))
    for at in sorted(places):
        (found,) = findings(flipped(archive, at, at % 8))[:1]
        assert "zip" in found or "entry" in found, (at, found)


Forge = Callable[[dict[str, bytes]], dict[str, bytes | None]]


def edited(name: str, change: Callable[[Any], None]) -> Forge:
    def forge(files: dict[str, bytes]) -> dict[str, bytes | None]:
        value = json.loads(files[name])
        change(value)
        return {name: verify_record.canonical(value)}

    return forge


def first_of(files: dict[str, bytes], start: str) -> str:
    return next(name for name in files if name.startswith(start))


def swap_versions(record: Any) -> None:
    one, two = [event for event in record["events"] if event["stream_type"] == "devices.device"][:2]
    one["version"], two["version"] = two["version"], one["version"]


def relinked(files: dict[str, bytes], change: Callable[[Any], None]) -> dict[str, bytes | None]:
    genealogy = json.loads(files["genealogy.json"])
    change(genealogy["links"])
    return {
        "genealogy.json": verify_record.canonical(genealogy),
        "genealogy.csv": verify_record.genealogy_csv(genealogy),
    }


def without_stated(files: dict[str, bytes], name: str) -> dict[str, bytes | None]:
    """Without a file that an event of the release states, and without its line in the list of files."""
    record = json.loads(files["record.json"])
    told = [json.loads(event["payload"]) for event in record["events"]]
    digest = next(one[name] for one in told if name in one)
    record["artefacts"] = [item for item in record["artefacts"] if item["sha256"] != digest]
    return {"record.json": verify_record.canonical(record), f"artefacts/{digest}": None}


def without_scan(files: dict[str, bytes]) -> dict[str, bytes | None]:
    """Without the scan of a paper, and without its line in the list of files."""
    record = json.loads(files["record.json"])
    digest = record["report"]["papers"][0]["scan"]
    record["artefacts"] = [item for item in record["artefacts"] if item["sha256"] != digest]
    return {"record.json": verify_record.canonical(record), f"artefacts/{digest}": None}


def many_versions(record: dict[str, Any]) -> None:
    """One stream states more versions than any machine lays out in its memory."""
    stream = next(one for one in record["streams"] if one["part"] != "extract")
    stream["last"] = 10**30


FORGERIES: dict[str, tuple[Forge, str]] = {
    "an event's payload": (edited("record.json", lambda r: r["events"][3].update(payload="{}")), "its columns do not give"),
    "an event's actor": (edited("record.json", lambda r: r["events"][3].update(actor="person:1")), "its columns do not give"),
    "an event's time": (
        edited("record.json", lambda r: r["events"][0].update(recorded_at="2020-01-01T00:00:00.000000Z")),
        "its columns do not give",
    ),
    "an event more": (edited("record.json", lambda r: r["events"][0].update(extra=1)), "other columns"),
    "an event gone": (edited("record.json", lambda r: r["events"].pop(5)), "is missing"),
    "more versions than memory holds": (edited("record.json", many_versions), "more versions that it states are missing"),
    "two versions swapped": (edited("record.json", swap_versions), "its columns do not give"),
    "a stream gone": (edited("record.json", lambda r: r["streams"].pop()), "which the record does not list"),
    "a row": (
        edited("record.json", lambda r: r["rows"][0].update(content=r["rows"][0]["content"] + " ")),
        "is not the one that event",
    ),
    "a field's history": (
        edited("record.json", lambda r: r["changes"][0].update(lines="[]")),
        "are not those that its leaf covers",
    ),
    "a field's history and its digest": (
        edited("record.json", lambda r: next(e for e in r["events"] if "changes" in e).update(changes="0" * 64)),
        "its columns do not give",
    ),
    "a signature's seal": (
        edited("signatures.json", lambda s: s["signatures"][0].update(seal="00" * 64)), "the server's seal does not"
    ),
    "a signature's record": (
        edited("signatures.json", lambda s: s["signatures"][0].update(subject_id="99")), "another record or another"
    ),
    "a signature's content": (
        edited("signatures.json", lambda s: s["signatures"][0].update(content="{}")), "is not what was signed"
    ),
    "a signature's name": (
        edited("signatures.json", lambda s: s["signatures"][0].update(printed_name="Somebody Else")), "shows it otherwise"
    ),
    "a signature's person": (
        edited("signatures.json", lambda s: s["signatures"][0].update(person_id=99999)), "somebody else"
    ),
    "a signature's time": (
        edited("signatures.json", lambda s: s["signatures"][0].update(signed_at="2020-01-01T00:00:00.000000Z")),
        "another time",
    ),
    "a signature gone": (edited("signatures.json", lambda s: s["signatures"].pop(0)), "is missing"),
    "a paper's signer": (
        edited("record.json", lambda r: r["report"]["papers"][0].update(printed_name="Somebody Else")), "shows it otherwise"
    ),
    "a paper's verifier": (
        edited("record.json", lambda r: r["report"]["papers"][0].update(verified_by="Somebody Else")), "shows it otherwise"
    ),
    "a paper left out": (edited("record.json", lambda r: r["report"]["papers"].clear()), "shows it otherwise"),
    "a paper's row": (
        edited("record.json", lambda r: r.update(rows=[one for one in r["rows"] if "handwritten" not in one["stream"]])),
        "its row is missing",
    ),
    "a paper too many": (
        edited("record.json", lambda r: r["report"]["papers"].append({**r["report"]["papers"][0], "id": 99})),
        "stands in no event",
    ),
    "a scan of a paper, and its name": (without_scan, "its scan is missing"),
    "a path": (edited("proofs.json", lambda p: p["proofs"][0]["path"].reverse()), "does not lead to the seal"),
    "a leaf's place": (
        edited("proofs.json", lambda p: p["proofs"][0].update(leaf_index=p["proofs"][0]["leaf_index"] + 1)),
        "does not lead to the seal",
    ),
    "a proof gone": (edited("proofs.json", lambda p: p["proofs"].pop(0)), "has no proof"),
    "a seal's signature": (
        edited("proofs.json", lambda p: next(iter(p["seals"].values())).update(signature="00" * 64)), "is not signed"
    ),
    "a consistency proof too many": (
        edited("proofs.json", lambda p: p["consistency"].append({"from": 1, "to": 2, "path": []})), "no seal"
    ),
    "the audit trail": (lambda files: {"audit.csv": files["audit.csv"] + b"x\r\n"}, "audit.csv: does not tell"),
    "the genealogy": (lambda files: {"genealogy.csv": b""}, "genealogy.csv: does not tell"),
    "the genealogy's links, in both files": (
        lambda files: relinked(files, lambda links: links[0].update(lot="L9999999")), "that the event of the release states"
    ),
    "a link more, in both files": (lambda files: relinked(files, lambda links: links.append(links[0])), "the event of the"),
    "the PDF of the release, and its name": (lambda files: without_stated(files, "pdf_sha256"), "missing, and stated by"),
    "the record of the release, and its name": (
        lambda files: without_stated(files, "record_sha256"), "missing, and stated by"
    ),
    "the PDF": (lambda files: {"record.pdf": b"%PDF-1.7"}, "record.pdf: does not carry"),
    "an original": (lambda files: {first_of(files, "artefacts/"): b"other"}, "is not what its name says"),
    "an original gone": (lambda files: {first_of(files, "artefacts/"): None}, "missing, and named by"),
    "an original too many": (
        lambda files: {f"artefacts/{hashlib.sha256(b'x').hexdigest()}": b"x"}, "the record does not name it"
    ),
    "a document gone": (lambda files: {"audit.csv": None}, "audit.csv: missing"),
    "a seal's key": (lambda files: {first_of(files, "keys/seal-"): b"0" * 64 + b"\n"}, "is not signed by its key"),
    "no JSON": (lambda files: {"record.json": b"["}, "cannot be read"),
    "JSON too deep": (lambda files: {"record.json": b"[" * 200_000}, "cannot be read"),
    "JSON of another shape": (lambda files: {"proofs.json": b"[]"}, "cannot be read"),
}  # fmt: skip


@pytest.mark.requirement("P11-10a")
@pytest.mark.parametrize("what", FORGERIES)
def test_a_forged_bundle_is_named_even_with_the_server_s_own_key(
    archive: bytes, signing_key: bytes, what: str
) -> None:
    forge, named = FORGERIES[what]
    found = findings(forged(archive, signing_key, forge(contents(archive))))
    assert any(named in one for one in found), found
    assert not any("manifest.sig" in one for one in found), "the forgery itself should be signed"


@pytest.mark.requirement("P11-10a")
def test_another_key_s_bundle_is_known_by_the_fingerprint_alone(archive: bytes, signing_key: bytes) -> None:
    bundle = by_a_forger(archive, {})
    assert findings(bundle) == []
    known = Ed25519PrivateKey.from_private_bytes(signing_key).public_key().public_bytes_raw().hex()
    assert "by somebody else" in findings(bundle, known)[0]


def zipped(*entries: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as file, contextlib.suppress(UserWarning):
        for name, content in entries:
            file.writestr(zipfile.ZipInfo(name), content, compress_type=method)
    return target.getvalue()


def as_ours(*entries: tuple[str, bytes]) -> bytes:
    out, directory = b"", b""
    for name, content in entries:
        raw, crc = name.encode(), zlib.crc32(content)
        directory += verify_record.directory_entry(raw, len(content), crc, len(out))
        out += verify_record.local_header(raw, len(content), crc) + content
    return out + directory + verify_record.directory_end(len(entries), len(directory), len(out))


@pytest.mark.parametrize(
    ("hostile", "named"),
    [
        (b"", "zip directory"),
        (b"not a zip at all" * 9, "zip directory"),
        (b"PK\3\4", "cut off"),
        (as_ours(("../../etc/passwd", b"x")), "../../etc/passwd"),
        (as_ours(("/etc/passwd", b"x")), "/etc/passwd"),
        (as_ours(("a\\b", b"x")), "a\\\\b"),
        (as_ours(("keys/../record.json", b"x")), "none that Lamina gives"),
        (as_ours(("a\nb", b"x")), "none that Lamina gives"),
        (as_ours(("record.json", b"1"), ("record.json", b"2")), "record.json stands in the archive twice"),
        (zipped(("record.json", b"0" * (50 << 20)), method=zipfile.ZIP_DEFLATED), "record.json"),
        (zipped(("record.json", b"{}")), "zip directory"),
        (as_ours(("record.json", b"{}")) + b"tail", "zip directory"),
        (b"head" + as_ours(("record.json", b"{}")), "zip directory"),
        (as_ours(("record.json", b"{}")), "manifest"),
    ],
)  # fmt: skip
def test_a_hostile_archive_is_named(hostile: bytes, named: str) -> None:
    found = findings(hostile)
    assert any(named in one for one in found), found


@pytest.mark.requirement("P11-10b")
def test_a_flip_outside_of_every_content_is_named_by_its_entry() -> None:
    """Each bit of every header and of the directory: what was changed is named, and where."""
    names = ("manifest.json", "record.json", "record.pdf")
    whole = as_ours(*((name, name.encode()) for name in names))
    header, row = {}, {}
    for name in names:
        header[name] = whole.index(name.encode()) - 30
        row[name] = whole.rindex(name.encode()) - 46
    for name in names:
        places = [*range(header[name], header[name] + 30 + len(name))]
        places += range(row[name], row[name] + 46 + len(name))
        for place in places:
            for bit in range(8):
                flipped = bytearray(whole)
                flipped[place] ^= 1 << bit
                found = findings(bytes(flipped))
                near = [int(number) for number in re.findall(r"byte (\d+)", found[0])]
                assert {place, header[name], row[names[0]]} & set(near), (place, bit, found)
                unnamed = place < header[name] + 30 + len(name) or place < row[names[0]] + 4
                assert unnamed or name in found[0], (place, bit, found)


def test_a_size_beyond_the_file_is_not_read() -> None:
    name = b"record.json"
    huge = verify_record.local_header(name, 0xFFFFFFFF, 0) + b"x"
    assert "cut off" in findings(huge)[0]


def test_too_many_entries_are_not_read() -> None:
    many = b"".join(
        verify_record.local_header(b"a%d" % n, 0, 0) for n in range(verify_record.MOST_ENTRIES + 1)
    )
    assert "more than" in findings(many)[0]


def test_a_truncated_bundle_is_named(archive: bytes) -> None:
    for length in (1, 29, 31, len(archive) // 2, len(archive) - 1):
        assert findings(archive[:length]), length


@pytest.fixture(scope="session")
def clean_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with nothing but `cryptography`, taken from here."""
    place = tmp_path_factory.mktemp("clean")
    venv.create(place, with_pip=False)
    packages = next((place / "lib").glob("python3*")) / "site-packages"
    ours = Path(sys.modules["cryptography"].__file__ or "").parents[1]
    for name in ("cryptography", "cffi", "_cffi_backend", "pycparser"):
        for path in [*ours.glob(name), *ours.glob(f"{name}.*.so")]:
            (packages / path.name).symlink_to(path)
    return place / "bin" / "python"


@pytest.mark.requirement("P11-10b")
def test_the_verifier_runs_alone(
    archive: bytes, signing_key: bytes, clean_python: Path, tmp_path: Path
) -> None:
    bundle, program = tmp_path / "DHR_x.zip", tmp_path / "verify_record.py"
    program.write_bytes(contents(archive)["verify_record.py"])
    bundle.write_bytes(archive)

    def said(*more: str) -> subprocess.CompletedProcess[str]:
        command = [str(clean_python), "-I", str(program), str(bundle), *more]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)

    good = said()
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.splitlines()[-1].startswith("CONSISTENT: DHR_x.zip, 0 findings, of an UNKNOWN MAKER")
    assert "VALID" not in good.stdout
    assert "that key came from the bundle itself" in good.stdout
    fingerprint = hashlib.sha256(
        Ed25519PrivateKey.from_private_bytes(signing_key).public_key().public_bytes_raw()
    ).hexdigest()
    known = said("--fingerprint", fingerprint)
    assert (known.returncode, known.stderr) == (0, "")
    assert known.stdout.splitlines()[-1].startswith("VALID: DHR_x.zip, 0 findings, signed with the key")
    wrong = said("--fingerprint", "0" * 64)
    assert (wrong.returncode, wrong.stderr) == (1, "")
    assert "by somebody else" in wrong.stdout
    bundle.write_bytes(flipped(archive, len(archive) // 3))
    bad = said()
    assert (bad.returncode, bad.stderr) == (1, "")
    assert "BAD " in bad.stdout
    bundle.unlink()
    assert said().returncode == 1


@pytest.mark.requirement("P11-10a")
def test_pages_by_somebody_else_are_of_an_unknown_maker(
    archive: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing but the manifest's signature vouches for the pages of the PDF, and the output says so, whoever signed."""
    files, path = contents(archive), tmp_path / "DHR_x.zip"
    path.write_bytes(by_a_forger(archive, {"record.pdf": carrying(files["record.json"])}))
    assert verify_record.main([str(path)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-1].startswith("CONSISTENT: DHR_x.zip, 0 findings, of an UNKNOWN MAKER")
    assert any("alone vouches for the pages of record.pdf" in line for line in said)
    fingerprint = hashlib.sha256((files[first_of(files, "keys/signing-")]).strip()).hexdigest()
    assert verify_record.main([str(path), "--fingerprint", fingerprint]) == 1
    assert capsys.readouterr().out.splitlines()[-1].startswith("ALTERED")


def release_pdf(files: Mapping[str, bytes]) -> tuple[str, bytes]:
    """The SHA-256 of the PDF of the release, as its sealed event states it, and another of its size to put in its place."""
    events = json.loads(files["record.json"])["events"]
    (rendered,) = [event for event in events if event["type"] == "quality.production_record_rendered"]
    digest = json.loads(rendered["payload"])["pdf_sha256"]
    return digest, b"%PDF_" + files[f"artefacts/{digest}"][5:]


def under_its_name(files: dict[str, bytes]) -> dict[str, bytes | None]:
    digest, other = release_pdf(files)
    return {f"artefacts/{digest}": other}


def under_a_new_name(files: dict[str, bytes]) -> dict[str, bytes | None]:
    """With every document that lists it made to fit."""
    digest, other = release_pdf(files)
    record, name = json.loads(files["record.json"]), hashlib.sha256(other).hexdigest()
    (line,) = [item for item in record["artefacts"] if item["sha256"] == digest]
    line["sha256"] = name
    text = verify_record.canonical(record)
    changed = {f"artefacts/{name}": other, "record.json": text, "record.pdf": carrying(text)}
    return {**changed, f"artefacts/{digest}": None}


@pytest.mark.requirement("P11-10a")
@pytest.mark.requirement("P11-10b")
@pytest.mark.parametrize(
    ("forge", "named"),
    [
        (under_its_name, "not what its name says"),
        (under_a_new_name, "(quality.production_record_rendered)"),
    ],
)
def test_a_changed_pdf_of_the_release_is_named_whoever_signed_the_manifest(
    archive: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str], forge: Forge, named: str
) -> None:
    """A forger leaves every seal as it is and signs with a key of their own; the sealed event states the PDF all the same."""
    files, path = contents(archive), tmp_path / "DHR_x.zip"
    path.write_bytes(by_a_forger(archive, forge(files)))
    assert verify_record.main([str(path)]) == 1
    said = capsys.readouterr().out.splitlines()
    (found,) = [line for line in said if line.startswith("BAD ")]
    assert named in found
    assert release_pdf(files)[0] in found
    assert said[-1].startswith("ALTERED")


EVIL = "x\nVALID: DHR_x.zip, 0 findings\x1b[8m\r\u202e\u2028\u0085\x00\ud800"


def poisoned(value: Any, rng: random.Random, share: float) -> Any:
    """The value with hostile text in some of its places: texts, numbers and names alike."""
    if isinstance(value, dict):
        return {key: poisoned(one, rng, share) for key, one in value.items()}
    if isinstance(value, list):
        return [poisoned(one, rng, share) for one in value]
    return EVIL if rng.random() < share else value


@pytest.mark.requirement("P11-10b")
@pytest.mark.parametrize("share", [1.0, 0.02])
@pytest.mark.parametrize(
    "name", ["record.json", "signatures.json", "genealogy.json", "proofs.json", "manifest.json"]
)
def test_no_text_of_a_bundle_speaks_for_the_verifier(
    archive: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, share: float
) -> None:
    """Whatever stands in whatever field is printed in a line of its own, escaped, and conceals nothing."""
    files = contents(archive)
    evil = poisoned(json.loads(files[name]), random.Random(11), share)  # noqa: S311 - positions, no secrets
    files[name] = json.dumps(evil).encode()
    path = tmp_path / "DHR_x.zip"
    path.write_bytes(as_ours(*files.items()))
    assert verify_record.main([str(path)]) == 1
    out = capsys.readouterr().out
    lines = out.split("\n")
    assert all(one.isprintable() for one in lines)
    assert lines[-2].startswith("ALTERED: ")
    heads = ("BAD ", "NOTE: ", "Signed with ", "Device ", "Record ")
    assert all(line.startswith(heads) for line in lines[:-2])
    assert max(map(len, lines)) <= verify_record.LONGEST_LINE + 4


def test_every_line_is_one_line_that_any_terminal_shows() -> None:
    for encoding in ("utf-8", "ascii", "latin-1"):
        line = verify_record.as_line(EVIL + "Tomás \u0441" + "z" * 5000, encoding)
        assert line.isprintable()
        assert "\\x1b[8m" in line
        assert len(line) <= verify_record.LONGEST_LINE + 4


def test_the_csv_of_a_record_cannot_run() -> None:
    text = verify_record.as_csv(("a",), [["=1+1"], ["+1"], ["@x"], ["-1"], ["plain"], [None]]).decode()
    assert text.split("\r\n") == ["a", "'=1+1", "'+1", "'@x", "'-1", "plain", '""', ""]


def test_the_layout_is_that_of_other_programs(archive: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        assert file.testzip() is None
        assert {entry.date_time for entry in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {entry.compress_type for entry in file.infolist()} == {zipfile.ZIP_STORED}
    assert struct.calcsize("<4s5H3I2H") == 30


@pytest.mark.requirement("P11-10a")
@pytest.mark.parametrize("check", ["streams", "found"])
def test_a_bundle_that_exhausts_the_memory_is_named_and_takes_nothing_back(
    archive: bytes,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    check: str,
) -> None:
    """In one check, or outside of every check: what was found before has been said."""

    def exhausted(_: Check) -> Iterator[str]:
        yield "record.json: found before"
        raise MemoryError

    path = tmp_path / "DHR_x.zip"
    path.write_bytes(archive)
    monkeypatch.setattr(Check, check, exhausted)
    assert verify_record.main([str(path)]) == 1
    said = capsys.readouterr().out.splitlines()
    assert "BAD record.json: found before" in said
    assert said[-1].startswith("ALTERED: " if check == "streams" else "UNVERIFIABLE: ")
