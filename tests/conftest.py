"""Fixtures that every test may use. The servers are described in `tests.servers`."""

import gc
import itertools
import os
import shutil
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import redis
from _pytest.junitxml import xml_key
from django.conf import settings
from django.db import connections
from django.test import Client, TransactionTestCase, override_settings
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from pytest_django.plugin import DjangoDbBlocker, blocking_manager_key

from mes.dashboard.sessions import KEPT
from mes.embedded import roles
from mes.embedded.environment import BASE_DIR
from mes.eventlog import delivery, relay
from mes.services.sessions import open_session
from mes.terminals import Terminal, digest_of_key
from mes.validation.results import SOFTWARE, software_digest
from tests import scenes, servers
from tests.devices import makers as _devices  # noqa: F401 - tells who is in its scene
from tests.devices import planned as _planned  # noqa: F401 - likewise
from tests.inprocess import read_in_process
from tests.printing.makers import Floor
from tests.quality.export import conftest as _quality  # noqa: F401 - likewise
from tests.scenes import Scene, begin, scene_of
from tests.servers import Cluster

# One process per core runs the tests: a second thread of each would wait for a core and turn in circles meanwhile.
os.environ.setdefault("OMP_NUM_THREADS", "1")
DEFAULT = "test"
ROUNDS = 1000
LEFT_BEHIND = 2
"""Databases of tests that are over, not yet dropped."""
# How long an example takes to make says how busy the machine is, and nothing about what is tested.
hypothesis_settings.register_profile("lamina", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("lamina")
read_in_process()
_numbers = itertools.count(1)
_clusters: list[Cluster] = []


def pytest_xdist_auto_num_workers() -> int:
    """`-n auto`: one process more than cores, because a test that drives a browser or a process mostly waits for it."""
    return len(os.sched_getaffinity(0)) + 1


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Every test and every module stays until the end: looking through them for garbage again and again takes a seventh of
    the time of a test that is all requests."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_unconfigure() -> None:
    while _clusters:
        _clusters.pop().stop()


def _own_cluster() -> Cluster:
    if not _clusters:
        cluster = servers.seeded(servers.claim_place(), servers.DISPOSABLE)
        _clusters.append(cluster)
        cluster.start()
    return _clusters[0]


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """This process's PostgreSQL and Valkey. Later tests need them: do not kill them (see `fault_cluster`)."""
    return _own_cluster()


@pytest.fixture(scope="session")
def django_db_setup(cluster: Cluster, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """This process's clone of the migrated database. Tests connect as the role `app`."""
    cluster.clone(DEFAULT)
    with django_db_blocker.unblock():
        _point_at(NAME=_begins.database)
    _Fresh.cluster = cluster
    yield
    with django_db_blocker.unblock():
        connections.close_all()
    cluster.drop(DEFAULT)


@dataclass
class _Begins:
    """The database that the running test begins with, and the one that its clones are made of."""

    database: str = DEFAULT
    template: str = roles.DATABASE


_begins = _Begins()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Begin with the scene of the test's folder. Its people are made when the first test needs them."""
    if not (
        {"db", "transactional_db"} & set(getattr(item, "fixturenames", ()))
        or item.get_closest_marker("django_db")
    ):
        begin(None)
        return
    scene = scene_of(item.path.relative_to(item.config.rootpath), getattr(item, "fixturenames", ()))
    if scene is not None:
        with item.config.stash[blocking_manager_key].unblock():
            _tell(scene)
    begin(scene)
    _begins.database, _begins.template = (
        (scene.database, scene.template) if scene else (DEFAULT, roles.DATABASE)
    )
    if connections.settings["default"]["NAME"] != _begins.database:
        _point_at(NAME=_begins.database)


def _tell(scene: Scene) -> None:
    """Make a scene's database, once per process, after those that it goes on from."""
    if scene.is_told:
        return
    if scene.upon:
        _tell(scene.upon)
    connections.close_all()
    cluster, before = _own_cluster(), scene.upon
    cluster.clone(scene.database, template=before.template if before else roles.DATABASE)
    _point_at(NAME=scene.database)
    if before is None:
        scene.tell()
    else:
        scene.files = cluster.layout.root / scene.database
        shutil.rmtree(scene.files, ignore_errors=True)
        if before.files:
            shutil.copytree(before.files, scene.files)
        scene.files.mkdir(exist_ok=True)
        with override_settings(ARTEFACTS_DIR=scene.files):
            scene.tell()
    connections.close_all()
    cluster.clone(scene.template, template=scene.database)


class _Fresh:
    """Replaces Django's flush: a test that commits gets a clone of the template, which is dropped afterwards."""

    cluster: Cluster
    left: ClassVar[list[str]] = []

    @classmethod
    def enter(cls) -> None:
        name = f"{DEFAULT}_{next(_numbers)}"
        connections.close_all()
        cls.cluster.clone(name, template=_begins.template)
        _point_at(NAME=name)
        # A fresh record knows nothing of the files that an earlier test left waiting.
        shutil.rmtree(settings.QUARANTINE_DIR, ignore_errors=True)
        settings.QUARANTINE_DIR.mkdir(mode=0o700)

    @classmethod
    def leave(cls) -> None:
        cls.left.append(connections.settings["default"]["NAME"])
        _point_at(NAME=_begins.database)
        # A connection that was just closed is still leaving: dropping the database at once would wait for it.
        while len(cls.left) > LEFT_BEHIND:
            cls.cluster.drop(cls.left.pop(0))


@pytest.fixture(autouse=True)
def files_of_the_scene(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the scene's story stored, as the test's own to harm. Only then a folder is made for it."""
    if stored := scenes.files():
        monkeypatch.setattr(settings, "ARTEFACTS_DIR", request.getfixturevalue("tmp_path") / "stored")
        shutil.copytree(stored, settings.ARTEFACTS_DIR)


monkey = pytest.MonkeyPatch()
monkey.setattr(TransactionTestCase, "_fixture_setup", classmethod(lambda _cls: _Fresh.enter()))
monkey.setattr(TransactionTestCase, "_fixture_teardown", lambda _self: _Fresh.leave())


def _sign_in(client: Client, account: Any, backend: str | None = None) -> None:
    """A client's `force_login`, recorded as every session is: one that is not opens nothing."""
    _login_without_record(client, account, backend)
    session = client.session
    place = Terminal(digest_of_key(session.session_key), "127.0.0.1", "")
    session[KEPT] = str(open_session(account=account, method="test", terminal=place).uid)
    session.save()


_login_without_record = Client.force_login
monkey.setattr(Client, "force_login", _sign_in)


def _point_at(**where: str) -> None:
    """Change where `default` leads, in every thread, and forget the other roles' connections."""
    connections.close_all()
    for alias in [alias for alias in connections.settings if alias != "default"]:
        if alias in [known.alias for known in connections.all(initialized_only=True)]:
            del connections[alias]
        del connections.settings[alias]
    connections.settings["default"].update(where)


@pytest.fixture
def committed_db(transactional_db: None) -> None:
    """Commits are real: the test runs on a clone of its own."""


@pytest.fixture
def valkey(cluster: Cluster) -> Iterator[redis.Redis]:
    """The broker, empty, as this process sees it."""
    with redis.Redis.from_url(settings.BROKER_URL) as client:
        client.flushdb()
        yield client


@pytest.fixture
def fault_cluster(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Cluster]:
    """A PostgreSQL and a Valkey of the test's own, which it may kill. `default` and BROKER_URL lead there meanwhile."""
    place = servers.scratch() / f"fault-{os.getpid()}-{next(_numbers)}"
    found = servers.seeded(place, servers.FAITHFUL)
    before = dict(connections.settings["default"])
    try:
        found.start()
        where = found.address("lamina_app")
        monkeypatch.setattr(settings, "BROKER_URL", found.valkey.url)
        with django_db_blocker.unblock():
            _point_at(NAME=where["dbname"], HOST=where["host"], PASSWORD=where["password"])
            yield found
    finally:
        with django_db_blocker.unblock():
            _point_at(**{name: before[name] for name in ("NAME", "HOST", "PASSWORD")})
        found.stop()
        shutil.rmtree(place)


@pytest.fixture
def drain(committed_db: None) -> Callable[[], int]:
    """Deliver everything that is due until nothing is, queued handlers included, in this process. Returns how many."""

    sent: list[tuple[int, str]] = []

    def send(_queue: str, key: int, token: str) -> None:
        sent.append((key, token))

    def deliver_all() -> int:
        made = 0
        for _ in range(ROUNDS):
            sent.clear()
            moved = relay.relay_once(send)
            for key, token in list(sent):
                delivery.run_queued(key, token)
            if not moved and not sent:
                return made
            made += moved
        raise AssertionError(f"still delivering after {ROUNDS} rounds: two handlers answer each other")

    return deliver_all


@pytest.fixture
def floor(db: None) -> Floor:
    """A floor ready to print: the scene of the tests that ask for it."""
    return Floor()


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Real images and printer data, which are no part of the project."""
    place = Path(os.environ.get("LAMINA_TEST_DATA", settings.BASE_DIR.parent / "shared" / "data"))
    if not place.is_dir():
        pytest.skip(f"no test data at {place}; LAMINA_TEST_DATA names another folder")
    return place


WAITING = (
    "tests/flows/test_demo",
    "tests/mes/test_up",
    "tests/mes/test_faults",
    "tests/mes/test_rotation",
    "tests/mes/test_supervisor",
    "tests/browser/",
)
"""What mostly waits for a browser or for processes: one after the other, beside processes that compute all the time."""
LONG = (
    ("tests/architecture/test_links", "tests/architecture/test_access"),
    ("tests/flows/", "tests/quality/"),
)
"""What computes long begins first, so that no process is left with it at the end. Each group stays in one process, which
tells its stories once."""


def _beginning(items: list[Any], starts: tuple[str, ...]) -> list[Any]:
    return [item for start in starts for item in items if item.nodeid.startswith(start)]


def _dealt(items: list[Any], processes: int) -> list[Any]:
    """In equal parts, one for each process: the first begins with what waits, each other one with its groups of what computes
    long. `--dist worksteal` hands the list out in such parts, and who has nothing left takes from the end of another's."""
    waiting = _beginning(items, WAITING)
    long = [[item for item in _beginning(items, group) if item not in waiting] for group in LONG]
    first = {id(item) for item in itertools.chain(waiting, *long)}
    rest = [item for item in items if id(item) not in first]
    others = max(1, processes - 1)
    dealt: list[Any] = []
    for number, part in enumerate(
        [waiting, *(list(itertools.chain(*long[share::others])) for share in range(others))]
    ):
        size = (len(items) - len(dealt)) // max(1, processes - number)
        dealt += part + rest[: max(0, size - len(part))]
        del rest[: max(0, size - len(part))]
    return dealt + rest


def pytest_sessionstart(session: pytest.Session) -> None:
    """The report says which software was tested: it is no evidence of another one (11.10(a))."""
    report = session.config.stash.get(xml_key, None)
    if report is not None:
        report.add_global_property(SOFTWARE, software_digest(BASE_DIR))


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """The soak is asked for by name (`-m slow`). Each test's rules stand in the report, for the traceability matrix."""
    items[:] = _dealt(items, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
    for item in items:
        rules = [rule for marker in item.iter_markers("requirement") for rule in marker.args]
        item.user_properties.extend(("requirement", rule) for rule in rules)
        if item.get_closest_marker("slow") and "slow" not in item.config.option.markexpr:
            item.add_marker(pytest.mark.skip(reason="slow; run by `make soak`"))
