"""Scenes: what many tests begin with, told once per process in a database that those tests start from.

A test that rolls back runs inside the scene's database, one that commits gets a clone of it. Makers take who stands ready,
each person once per test, and make somebody new where nobody is left or the test has no scene.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from mes.choices import Role

SCENES: dict[str, Scene] = {}
ROOMS: dict[str, str | None] = {
    "tests/architecture/test_access.py": "doors",
    "tests/architecture/test_links.py": "doors",
    "tests/devices/": "planned",
    "tests/devices/test_api.py": "devices",
    "tests/devices/test_definitions.py": "devices",
    "tests/devices/test_kits": "two_orders",
    "tests/devices/test_need_to_know.py": "catalogue",
    "tests/devices/test_orders.py": "catalogue",
    "tests/devices/test_planned_designs.py": "planned_design",
    "tests/devices/test_plans.py": "to_plan",
    "tests/devices/test_prescribed.py": "catalogue",
    "tests/devices/test_series.py": "series",
    "tests/flows/test_bad_values.py": "catalogue",
    "tests/flows/test_doors.py": "insiders",
    "tests/flows/test_plan_to_frozen_design.py": "to_plan",
    "tests/flows/test_segregation.py": "planned",
    "tests/printing/": "frozen",
    "tests/mes/test_verify.py": "sealed",
    "tests/mes/test_signing_api.py": "catalogue",
    "tests/mes/test_training_api.py": "catalogue",
    "tests/mes/dashboard/": "catalogue",
    "tests/mes/dashboard/test_access.py": "planned",
    "tests/mes/dashboard/test_audit.py": "planned",
    "tests/mes/dashboard/test_gauges.py": "built",
    "tests/mes/dashboard/test_held_images.py": "planned",
    "tests/mes/dashboard/test_making.py": "planned",
    "tests/mes/dashboard/test_pages.py": "planned",
    "tests/mes/dashboard/test_planning.py": "to_plan",
    "tests/mes/dashboard/test_step_times.py": "built",
    "tests/mes/dashboard/test_people_pages.py": None,
    "tests/browser/": "devices",
    "tests/browser/test_kits.py": "two_orders",
    "tests/browser/test_planning.py": "to_plan",
    "tests/quality/": "built",
    "tests/quality/test_agreement.py": "reviewed",
    "tests/quality/test_inspection.py": "waiting",
    "tests/quality/test_kits.py": "reviewed_kit",
    "tests/quality/test_lots.py": "lot",
    "tests/quality/test_packages": "packable",
    "tests/quality/test_release": "reviewed",
    "tests/quality/test_reports": "reviewed",
    "tests/quality/test_scan_origin.py": "waiting",
    "tests/quality/export/": "reviewed",
}
"""Which scene the tests of a folder begin with, unless a fixture of theirs names one. Those of the kernel begin with an
empty record, and so do those that count everybody (None)."""


@dataclass
class Scene:
    """A database, the people in it and what they did.

    make: one person of a role; there are `each` of every role
    story: what happens when everybody is there; its result is `told`
    upon: the scene that this one goes on from, with the same people
    apart: the people of the story are its own, and everybody is left for the tests to take
    files: the artefacts of the story, of which each test gets a copy
    """

    name: str
    make: Callable[[Role], Any]
    roles: Iterable[Role] = Role
    each: int = 1
    story: Callable[[], Any] = lambda: None
    upon: Scene | None = None
    apart: bool = False
    files: Path | None = None
    told: Any = None
    is_told: bool = False
    is_open: bool = False
    is_given: bool = False
    ready: dict[tuple[Role, int], Any] = field(default_factory=dict)
    taken: Counter[Role] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        SCENES[self.name] = self

    @property
    def database(self) -> str:
        return f"scene_{self.name}"

    @property
    def template(self) -> str:
        """A copy that nobody ever connects to, for a database that somebody is connected to cannot be cloned."""
        return f"{self.database}_template"

    def tell(self) -> None:
        """Make everybody and let the story happen, in the scene's database."""
        if self.upon is not None:
            self.ready = self.upon.ready
        else:
            everybody = [(role, number) for role in self.roles for number in range(self.each)]
            self.ready = {(role, number): self.make(role) for role, number in everybody}
        begin(self)
        self.told = self.story()
        self.is_told = True

    def take(self, role: Role) -> Any | None:
        """Somebody with this one role whom the running test does not have yet."""
        if self.apart and not self.is_told:
            return None
        number = self.taken[role]
        self.taken[role] += 1
        return deepcopy(self.ready.get((role, number)))


def scene_of(test: PurePath, fixtures: Iterable[str]) -> Scene | None:
    """The scene that a test begins with: that of a fixture it asks for, else that of its file or folder."""
    named = [SCENES[name] for name in fixtures if name in SCENES]
    if named:
        return max(named, key=_depth)
    place = test.as_posix()
    found = [room for room in ROOMS if place.startswith(room)]
    name = ROOMS[max(found, key=len)] if found else None
    return SCENES[name] if name else None


def _depth(scene: Scene) -> int:
    return 1 + _depth(scene.upon) if scene.upon else 0


def begin(scene: Scene | None) -> None:
    """A test begins: nobody is taken yet, and nothing is given."""
    for other in SCENES.values():
        other.is_open, other.is_given = other is scene, False
        other.taken.clear()


def take(role: Role, make: Callable[[Role], Any]) -> Any | None:
    """Somebody of the running test's scene, if its people are made in this way."""
    scene = next((scene for scene in SCENES.values() if scene.is_open and scene.make is make), None)
    return scene.take(role) if scene else None


def files() -> Path | None:
    """The artefacts of the running test's scene."""
    return next((scene.files for scene in SCENES.values() if scene.is_open), None)


def told(name: str) -> Any | None:
    """What a scene's story left, where the running test began with that scene or a later one."""
    scene = next((scene for scene in SCENES.values() if scene.is_open), None)
    while scene is not None and scene.name != name:
        scene = scene.upon
    return deepcopy(scene.told) if scene and scene.is_told else None


def given(name: str, fits: Callable[[Any], bool] = lambda _told: True) -> Any | None:
    """What a scene's story left, to the first who asks for it in a test of this very scene, or in the story that goes on
    from it: later on it is not as it was left."""
    scene = next((scene for scene in SCENES.values() if scene.is_open), None)
    if scene is not None and not scene.is_told:
        scene = scene.upon
    if scene is None or scene.name != name or scene.is_given or not fits(scene.told):
        return None
    scene.is_given = True
    return deepcopy(scene.told)
