"""Facts of the rig. A poke at one root makes each handler state a fact about another root, its mirror."""

from dataclasses import dataclass

from mes.eventlog.base import Event


@dataclass(frozen=True, kw_only=True)
class Poked(Event, name="rig.poked"):
    """Something happened that handlers react to. `mirror` is the key of the root that shows their effects."""

    mirror: int


@dataclass(frozen=True, kw_only=True)
class Noticed(Event, name="rig.noticed", terminal=True):
    """The effect of one handler on one poke, and the process that had it."""

    handler: str
    stream: str
    version: int
    process: int
