"""What an operation is: declared parameters with limits, and a pure function of volume and mask.

An operation is a frozen dataclass. Its fields are its parameters, each declared with unit and limits, so that pages, the
API, device masters and the record all speak of the same ones. What it does depends on nothing but the volume, the mask and
these; another version of it is another operation as far as the record is concerned.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar, Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from devices.imaging.base import Volume
from devices.segmentation.base import SegmentationRefused
from devices.segmentation.space import Mask
from mes.registry import Registry

Kind = Literal["number", "count", "choice", "points", "direction"]
NUMBERS = ("number", "count")
Group = Literal["select", "part", "shape", "repair", "edit"]
Point: TypeAlias = tuple[float, float, float]
HU = (-1024.0, 32_767.0)
FURTHEST_MM = 5000.0
"""No patient coordinate lies further from the scanner's origin."""


@dataclass(frozen=True)
class Parameter:
    """One value that an operation takes. limits: both ends included; of points and directions, how many there may be.

    points and directions are in patient coordinates, LPS; points in mm.
    """

    name: str
    kind: Kind
    label: str
    default: Any
    unit: str = ""
    limits: tuple[float, float] = (0.0, 0.0)
    choices: tuple[str, ...] = ()

    def read(self, value: Any) -> Any:
        """The value in its type. Raises ValueError saying what it has to be."""
        if self.kind in NUMBERS:
            return self._number(value)
        if self.kind == "choice":
            if value not in self.choices:
                raise ValueError(f"one of {', '.join(self.choices)}")
            return str(value)
        return self._direction(value) if self.kind == "direction" else self._points(value)

    def _number(self, value: Any) -> float:
        low, high = self.limits
        number = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
        if not number or (self.kind == "count" and value != int(value)):
            whole = "whole " * (self.kind == "count")
            raise ValueError(f"a {whole}number from {low:g} to {high:g}{self.unit and ' ' + self.unit}")
        return float(value)

    def _points(self, value: Any) -> tuple[Point, ...]:
        least, most = (int(limit) for limit in self.limits)
        if not isinstance(value, Sequence) or isinstance(value, str) or not least <= len(value) <= most:
            raise ValueError(f"{least} to {most} points" if least < most else f"{least} points")
        return tuple(_triple(point) for point in value)

    def _direction(self, value: Any) -> Point:
        found = _triple(value)
        if not any(found):
            raise ValueError("a direction that is not zero")
        return found


def _triple(value: Any) -> Point:
    numbers = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else []
    sound = [
        isinstance(n, int | float) and not isinstance(n, bool) and abs(n) <= FURTHEST_MM for n in numbers
    ]
    if len(sound) != 3 or not all(sound):
        raise ValueError(f"three numbers, x, y and z, each from {-FURTHEST_MM:g} to {FURTHEST_MM:g}")
    return float(numbers[0]), float(numbers[1]), float(numbers[2])


def number(default: float, low: float, high: float, *, unit: str, label: str) -> Any:
    """A field of an operation that is a number within limits, both included."""
    return field(default=default, metadata=_declared("number", label, unit=unit, limits=(low, high)))


def count(default: float, low: float, high: float, *, label: str) -> Any:
    """A field of an operation that counts something: a whole number within limits, both included."""
    return field(default=default, metadata=_declared("count", label, limits=(low, high)))


def choice(*choices: str, label: str) -> Any:
    """A field of an operation that is one of some words; the first is the default."""
    return field(default=choices[0], metadata=_declared("choice", label, choices=choices))


def points(least: int, most: int, *, label: str) -> Any:
    """A field of an operation that is a list of points, LPS mm. They have to be given."""
    return field(default=(), metadata=_declared("points", label, unit="mm", limits=(least, most)))


def direction(*, label: str, default: Point = (0.0, 0.0, 1.0)) -> Any:
    """A field of an operation that is a direction, LPS; its length means nothing."""
    return field(default=default, metadata=_declared("direction", label))


def _declared(kind: Kind, label: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "label": label, **more}


@dataclass(frozen=True)
class Operation(ABC):
    """Subclasses are frozen dataclasses registered by `operation`. Their docstring's first line says what they do."""

    name: ClassVar[str]
    version: ClassVar[str]
    title: ClassVar[str]
    group: ClassVar[Group]
    invents: ClassVar[bool]

    @abstractmethod
    def apply(self, volume: Volume, mask: Mask) -> Mask:
        """A new mask, uint8 of the volume's shape. Raises SegmentationRefused where it has nothing to work on."""

    @property
    def parameters(self) -> dict[str, Any]:
        """As they stand in the record: plain JSON, every one named."""
        return {key: _plain(value) for key, value in asdict(self).items()}

    @classmethod
    def declared(cls) -> tuple[Parameter, ...]:
        return tuple(Parameter(one.name, default=one.default, **one.metadata) for one in fields(cls))

    @classmethod
    def does(cls) -> str:
        return (cls.__doc__ or "").partition("\n")[0].strip()


def _plain(value: Any) -> Any:
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


OPERATIONS: Registry[type[Operation]] = Registry("segmentation operation")
O = TypeVar("O", bound=type[Operation])  # noqa: E741 - the class that is decorated


def operation(
    name: str, *, version: str, title: str, group: Group, invents: bool = False
) -> Callable[[O], O]:
    """Register an operation. invents: what it adds or takes is its own and not the image's, as a filled hole is."""

    def declare(kind: O) -> O:
        kind.name, kind.version, kind.title, kind.group, kind.invents = name, version, title, group, invents
        OPERATIONS.add(name, kind)
        return kind

    return declare


def made(name: str, values: Mapping[str, Any]) -> Operation:
    """The operation of this name with these parameters; others take their defaults. Raises SegmentationRefused with every
    reason why there is none."""
    kind = OPERATIONS.get(name)
    if kind is None:
        raise SegmentationRefused(
            f"there is no operation '{name[:40]}'", cure=f"Known are: {', '.join(OPERATIONS)}."
        )
    known = {parameter.name: parameter for parameter in kind.declared()}
    unknown = sorted(str(given)[:40] for given in set(values) - set(known))
    reasons = [f"{name} has no parameter '{given}'" for given in unknown]
    read: dict[str, Any] = {}
    for key, parameter in known.items():
        try:
            read[key] = parameter.read(values.get(key, parameter.default))
        except ValueError as fault:
            reasons.append(f"{name}: {key} must be {fault}")
    if reasons:
        raise SegmentationRefused(*reasons, cure=f"It takes: {', '.join(known) or 'nothing'}.")
    return kind(**read)


COMBINE = ("replace", "add", "remove", "within")


def combined(mask: Mask, found: NDArray[np.bool_] | Mask, how: str) -> Mask:
    """What was selected, in place of the mask, added to it, taken out of it, or as far as it lies within it."""
    chosen = found.astype(np.uint8, copy=False)
    if how == "add":
        return mask | chosen
    if how == "remove":
        return mask & (1 - chosen)
    return mask & chosen if how == "within" else chosen.copy()


def in_window(volume: Volume, lower_hu: float, upper_hu: float) -> Mask:
    """The voxels between two values, both included. Raises SegmentationRefused for a window that does not ascend."""
    if lower_hu > upper_hu:
        raise SegmentationRefused(
            f"the window of {lower_hu:g} to {upper_hu:g} HU is empty",
            cure="Put its upper end above its lower.",
        )
    return ((volume.voxels >= lower_hu) & (volume.voxels <= upper_hu)).view(np.uint8)
