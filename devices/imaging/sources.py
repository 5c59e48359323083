"""Opens an upload safely: a folder, a zip or one file becomes a list of plain files, whatever they are called.

Members of a zip are inflated under names of our own, counted while inflating: the sizes a zip states are claims.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import lzma
import stat
import zipfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from devices.imaging.base import Finding, ImagingRefused
from devices.mesh.scan import is_3mf

MAX_FILES = 5_000
MAX_FILE_BYTES = 2 * 1024**3
MAX_TOTAL_BYTES = 6 * 1024**3
MAX_INFLATION_RATIO = 200
RATIO_GRACE_BYTES = 16 * 1024**2
CHUNK_BYTES = 1024**2

ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
GZIP_MAGIC = b"\x1f\x8b"
ENCRYPTED = 0x1
DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)


@dataclass(frozen=True)
class SourceFile:
    """One file of an upload. ordinal: from 1, in the order found; digest: SHA-256 of its bytes."""

    ordinal: int
    path: Path
    digest: str

    @property
    def label(self) -> str:
        return f"file {self.ordinal} ({self.digest[:8]})"


def refused(code: str, message: str, cure: str) -> ImagingRefused:
    return ImagingRefused([Finding(code, "error", message, cure)])


@contextmanager
def opened(source: Path) -> Iterator[list[SourceFile]]:
    """Yield the plain files of a folder, a zip or a single file; what was unpacked is gone afterwards.

    Raises ImagingRefused for a source that is missing, empty, too large or hostile.
    """
    with TemporaryDirectory(prefix="lamina-images-") as scratch:
        files = _listed(_paths(source, Path(scratch)))
        if not files:
            raise refused(
                "empty", "The upload holds no files.", "Upload the whole series, as exported by the scanner."
            )
        yield files


def _paths(source: Path, scratch: Path) -> list[Path]:
    if source.is_dir():
        return _folder(source)
    if not source.is_file():
        raise refused(
            "not_found", "The upload is neither a file nor a folder.", "Upload a folder, a zip or a file."
        )
    with source.open("rb") as stream:
        magic = stream.read(4)
    return _unzipped(source, scratch) if magic in ZIP_MAGIC and not is_3mf(source) else [source]


@contextmanager
def inflated_parts(package: Path) -> Iterator[list[Path]]:
    """The parts of a package that is a zip, such as a 3MF, under the limits of every upload; gone afterwards."""
    with TemporaryDirectory(prefix="lamina-parts-") as scratch:
        yield _unzipped(package, Path(scratch))


def _folder(source: Path) -> list[Path]:
    found = sorted(path for path in source.rglob("*") if path.is_file() and not path.is_symlink())
    if len(found) > MAX_FILES:
        raise _too_many(len(found))
    return found


def _too_many(count: int) -> ImagingRefused:
    return refused(
        "too_many_files",
        f"The upload holds {count} files, above the limit of {MAX_FILES}.",
        "Upload one series.",
    )


def _listed(paths: list[Path]) -> list[SourceFile]:
    sizes = [path.stat().st_size for path in paths]
    if max(sizes, default=0) > MAX_FILE_BYTES or sum(sizes) > MAX_TOTAL_BYTES:
        raise _too_large()
    # hashlib lets go of the interpreter: two threads keep the disk busy while the other computes.
    with ThreadPoolExecutor(2) as pool:
        return [
            SourceFile(number, path, digest)
            for number, (path, digest) in enumerate(zip(paths, pool.map(_digest, paths), strict=True), 1)
        ]


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _too_large() -> ImagingRefused:
    return refused(
        "too_large",
        f"The upload is above the limit of {MAX_FILE_BYTES // 1024**2} MiB a file or {MAX_TOTAL_BYTES // 1024**2} MiB in all.",
        "Upload one series only.",
    )


def _unzipped(source: Path, scratch: Path) -> list[Path]:
    try:
        with zipfile.ZipFile(source) as archive:
            members = _checked_members(archive)
            return _inflate_all(archive, members, scratch)
    except DAMAGED:
        # From None: zipfile's own words name the member, and members are named after patients.
        raise _damaged_zip() from None
    except OSError as error:
        # A damaged offset seeks to nowhere; a full disk is no fault of the zip.
        if error.errno != errno.EINVAL:
            raise
        raise _damaged_zip() from None


def _damaged_zip() -> ImagingRefused:
    return refused("bad_zip", "The zip is damaged or incomplete.", "Make the zip again and upload it.")


def _checked_members(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    members = [info for info in archive.infolist() if not info.is_dir()]
    if len(members) > MAX_FILES:
        raise _too_many(len(members))
    for number, info in enumerate(members, 1):
        reason = _hostile(info)
        if reason:
            raise refused(
                "hostile_zip", f"Entry {number} of the zip {reason}.", "Zip the plain files of one series."
            )
    _refuse_declared(members)
    return members


def _refuse_declared(members: list[zipfile.ZipInfo]) -> None:
    """What a zip says of its own size is believed where it says too much: nothing is inflated to find out."""
    if sum(info.file_size for info in members) > MAX_TOTAL_BYTES:
        raise _too_large()
    for info in members:
        if info.file_size > MAX_FILE_BYTES:
            raise _too_large()
        if info.file_size > _allowed(info):
            raise _bomb()


def _allowed(info: zipfile.ZipInfo) -> int:
    return max(RATIO_GRACE_BYTES, info.compress_size * MAX_INFLATION_RATIO)


def _bomb() -> ImagingRefused:
    return refused(
        "zip_bomb", "A zip entry inflates out of all proportion.", "Zip the plain files of one series."
    )


def _hostile(info: zipfile.ZipInfo) -> str:
    name = info.filename.replace("\\", "/")
    mode = info.external_attr >> 16
    if name.startswith("/") or name[1:2] == ":" or ".." in PurePosixPath(name).parts:
        return "has a path that leaves the zip"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "is a link or a device, not a file"
    return "is encrypted" if info.flag_bits & ENCRYPTED else ""


def _inflate_all(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], scratch: Path) -> list[Path]:
    total, paths = 0, []
    for number, info in enumerate(members, 1):
        target = scratch / f"{number:06d}"
        total += _inflate(archive, info, target, MAX_TOTAL_BYTES - total)
        paths.append(target)
    return paths


def _inflate(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, room: int) -> int:
    room = min(room, MAX_FILE_BYTES)
    allowed = _allowed(info)
    written = 0
    with archive.open(info) as packed, target.open("xb") as plain:
        while chunk := packed.read(CHUNK_BYTES):
            written += len(chunk)
            if written > room:
                raise _too_large()
            if written > allowed:
                raise _bomb()
            plain.write(chunk)
    return written


def read_inflated(path: Path) -> bytes:
    """The file's bytes, gunzipped if it is gzip; counted while inflating."""
    with path.open("rb") as stream:
        packed = stream.read(2) == GZIP_MAGIC
    if not packed:
        return path.read_bytes()
    allowed = min(MAX_FILE_BYTES, max(RATIO_GRACE_BYTES, path.stat().st_size * MAX_INFLATION_RATIO))
    try:
        with gzip.open(path, "rb") as stream:
            data = stream.read(allowed + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise refused(
            "bad_gzip", "The compressed file is damaged or incomplete.", "Export the file again."
        ) from error
    if len(data) > allowed:
        raise refused(
            "zip_bomb",
            "The compressed file inflates out of all proportion.",
            "Upload the image uncompressed.",
        )
    return data
