"""What a person may do, as data: each action names who may, when it applies, what it asks, what it signs and the one
service that it calls. Buttons, dialogs and the signing step are the same for all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, TypeAlias
from uuid import UUID

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest
from django.utils import timezone

from mes.choices import Meaning
from mes.eventlog.base import Actor
from mes.exceptions import Conflict, InvalidInput, Reason
from mes.permissions import PERMISSIONS
from mes.services.signatures import Credentials
from mes.text import text_fault

Values = Mapping[str, Any]
Upload: TypeAlias = "UploadedFile[bytes]"
Kind = Literal[
    "text",
    "area",
    "select",
    "several",
    "number",
    "slider",
    "vector",
    "whole",
    "decimal",
    "date",
    "moment",
    "check",
    "file",
    "files",
    "fixed",
    "carried",
]

# Nothing that a form asks is larger, and a longer exponent would cost memory before it is refused.
LARGEST = Decimal("1e15")


@dataclass(frozen=True)
class Field:
    """One thing that an action asks. `limits`: smallest and largest number, None where there is none; a `slider` has both.

    `several` is any number of the choices, and its value a list.
    `fixed` is not asked: it is what the dialog was opened for, sent along so that a later one is not taken for it.
    `carried` is not asked either: a first dialog handed it on to this one. `offers` gives the choices where they depend
    on what was carried. A `vector` has three parts, `name.x`, `name.y`
    and `name.z`, and its value is all of them or None. `picks`: it is a place, which may be picked on the shape of the page; `drawn` and
    `stands_at` say how the shape shows it otherwise, as `Parameter` has it. `resumable`: files come in by parts beforehand, for a `purpose`, and the form only names them (`Resumed`).
    """

    name: str
    label: str
    kind: Kind = "text"
    required: bool = True
    hint: str = ""
    initial: Any = ""
    choices: Sequence[tuple[str, str]] = ()
    limits: tuple[float | None, float | None] = (None, None)
    accept: str = ""
    maximum: int = 2000
    resumable: bool = False
    purpose: str = "images"
    picks: bool = False
    drawn: str = ""
    stands_at: str = ""
    offers: Callable[[Any, Mapping[str, str], Actor], Sequence[tuple[str, str]]] | None = None

    @property
    def parts(self) -> list[tuple[str, Any]]:
        """The axes of a vector, each with what it begins with."""
        return list(zip("xyz", self.initial or (None, None, None), strict=True))

    @property
    def low(self) -> float | None:
        return self.limits[0]

    @property
    def high(self) -> float | None:
        return self.limits[1]


@dataclass(frozen=True)
class Resumed:
    """Files that came in by parts already: the name of their upload, and the digest of what was sent."""

    name: UUID
    digest: str


@dataclass(frozen=True)
class Doing:
    """Everything that a service call needs: what it acts on, what was typed, who acts and, if signed, how."""

    subject: Any
    values: Values
    actor: Actor
    credentials: Credentials

    @property
    def reason(self) -> str:
        return str(self.values.get("reason", ""))


def nothing_asked(subject: Any) -> tuple[Field, ...]:
    return ()


def nothing_voided(subject: Any) -> str:
    return ""


@dataclass(frozen=True)
class Done:
    """What is told after an action, nothing where the page itself says it, and the page of what it made, where it made something."""

    told: str
    page: str = ""
    code: str = ""


def itself(subject: Any) -> Any:
    return subject


@dataclass(frozen=True)
class Next:
    """Nothing is done yet: another dialog asks for the rest. `carried`: what it is opened with."""

    action: str
    carried: Mapping[str, str]


@dataclass(frozen=True)
class Action:
    """A verb of a page. `about` gives the thing that the service asks `mes.permissions` about. `content` is what a signature covers: the same mapping that the service signs.

    `facts` is what is shown beside it. `voids` says what stands now and would not afterwards. One that `follows` another is opened by it alone, and has no button.
    `permission` is the action of `mes.permissions`; the service asks for it again. `do` calls one service and returns
    what is told afterwards.
    """

    id: str
    page: str
    verb: str
    title: str
    permission: str
    icon: str
    applies: Callable[[Any], bool]
    do: Callable[[Doing], str | Done | Next]
    fields: Callable[[Any], Sequence[Field]] = nothing_asked
    meaning: Meaning | None = None
    content: Callable[[Any, Values, Actor], Mapping[str, Any]] | None = None
    about: Callable[[Any], Any] = itself
    facts: Callable[[Any, Values, Actor], Mapping[str, Any]] | None = None
    follows: str = ""
    danger: bool = False
    main: bool = False
    help: str = ""
    voids: Callable[[Any], str] = nothing_voided

    @property
    def signed(self) -> tuple[Meaning, Callable[[Any, Values, Actor], Mapping[str, Any]]]:
        """Meaning and content of an action that is signed. Raises LookupError of any other."""
        if self.meaning is None or self.content is None:
            raise LookupError(f"{self.id} is not signed")
        return self.meaning, self.content

    @property
    def asks_secret(self) -> bool:
        """Whether the dialog asks for the own secret, as its action says."""
        return PERMISSIONS[self.permission.partition(":")[0]].secret


STAYS = "It stays in the audit trail. Name no patient: use the token or the case code."


def why(label: str = "Reason", *, required: bool = True, hint: str = STAYS) -> Field:
    return Field("reason", label, "area", required, hint)


@dataclass
class _Reading:
    """Reads typed values and gathers every fault before any is raised."""

    faults: list[Reason] = field(default_factory=list)

    def value(self, asked: Field, request: HttpRequest) -> Any:
        if asked.kind == "check":
            return asked.name in request.POST
        if asked.kind == "fixed":
            return asked.initial
        if asked.kind == "several":
            return self._several(asked, request.POST.getlist(asked.name))
        if asked.kind == "vector":
            return self._vector(asked, request)
        if asked.resumable and request.POST.get(f"{asked.name}_upload"):
            return self._resumed(asked, request)
        if asked.kind in ("file", "files"):
            return self._files(asked, request.FILES.getlist(asked.name))
        text = request.POST.get(asked.name, "").strip()
        if fault := text_fault(asked.label, text, lines=asked.kind == "area"):
            self.faults.append(fault)
            return "" if asked.kind in ("text", "area", "select") else None
        if not text:
            if asked.required:
                self.faults.append(Reason(f"{asked.label} is missing.", "Fill it in."))
            return "" if asked.kind in ("text", "area", "select") else None
        return self._typed(asked, text)

    def _typed(self, asked: Field, text: str) -> Any:
        readers = {
            "number": self._number,
            "slider": self._number,
            "whole": self._whole,
            "decimal": self._decimal,
            "date": self._date,
            "moment": self._moment,
            "select": self._choice,
        }
        return readers.get(asked.kind, self._text)(asked, text)

    def _text(self, asked: Field, text: str) -> str:
        if len(text) > asked.maximum:
            self.faults.append(
                Reason(f"{asked.label} is longer than {asked.maximum} characters.", "Shorten it.")
            )
        return text[: asked.maximum]

    def _choice(self, asked: Field, text: str) -> str:
        if text not in {key for key, _ in asked.choices}:
            self.faults.append(
                Reason(f"{asked.label}: this is none of the choices.", "Choose one of the list.")
            )
        return text

    def _several(self, asked: Field, chosen: list[str]) -> list[str]:
        if asked.required and not chosen:
            self.faults.append(Reason(f"{asked.label} is missing.", "Choose at least one."))
        return [self._choice(asked, one) for one in dict.fromkeys(chosen)]

    def _vector(self, asked: Field, request: HttpRequest) -> tuple[float, float, float] | None:
        typed = [request.POST.get(f"{asked.name}.{axis}", "").strip() for axis in "xyz"]
        if not any(typed) and not asked.required:
            return None
        if not all(typed):
            self.faults.append(Reason(f"{asked.label} is missing, or a part of it.", "Give x, y and z."))
            return None
        x, y, z = (self._number(asked, part) for part in typed)
        return None if x is None or y is None or z is None else (x, y, z)

    def _number(self, asked: Field, text: str) -> float | None:
        number = self._decimal(asked, text)
        return None if number is None else float(number)

    def _whole(self, asked: Field, text: str) -> int | None:
        number = self._decimal(asked, text)
        if number is None:
            return None
        low, high = asked.low or 0, asked.high or LARGEST
        if number != int(number) or not low <= number <= high:
            self.faults.append(
                Reason(f"{asked.label} is no whole number from {low:g} to {high:g}.", "Correct it.")
            )
            return None
        return int(number)

    def _decimal(self, asked: Field, text: str) -> Decimal | None:
        try:
            number = Decimal(text)
        except InvalidOperation:
            number = Decimal("NaN")
        if not number.is_finite():
            self.faults.append(
                Reason(f"{asked.label} is no number.", "Type digits, with a point for decimals.")
            )
            return None
        if number.copy_abs() > LARGEST:
            self.faults.append(Reason(f"{asked.label} is too large.", f"Type at most {LARGEST:g}."))
            return None
        return number

    def _date(self, asked: Field, text: str) -> date | None:
        try:
            return date.fromisoformat(text)
        except ValueError:
            self.faults.append(Reason(f"{asked.label} is no date.", "Type it as 2026-11-22."))
            return None

    def _moment(self, asked: Field, text: str) -> datetime | None:
        """A day and a time of the site's clock, as every page shows them."""
        try:
            local = datetime.fromisoformat(text)
        except ValueError:
            local = None
        if local is None or "T" not in text or local.tzinfo is not None:
            self.faults.append(
                Reason(
                    f"{asked.label} is no day and time.", "Type it as 2026-11-22T14:30, by the site's clock."
                )
            )
            return None
        moment = local.replace(tzinfo=timezone.get_current_timezone())
        if moment.astimezone(UTC).astimezone(moment.tzinfo).replace(tzinfo=None) != local:
            self.faults.append(
                Reason(f"{asked.label}: the clocks were put forward over it.", "Read it again.")
            )
            return None
        return moment

    def _resumed(self, asked: Field, request: HttpRequest) -> Resumed | None:
        name, digest = (request.POST.get(f"{asked.name}_{part}", "") for part in ("upload", "digest"))
        try:
            return Resumed(UUID(name), digest[:64])
        except ValueError:
            self.faults.append(Reason(f"{asked.label}: there is no such upload.", "Send the files again."))
            return None

    def _files(self, asked: Field, files: list[Upload]) -> list[Upload]:
        if not files and asked.required:
            self.faults.append(Reason(f"{asked.label}: no file was sent.", "Choose one."))
        return files


def read_values(fields: Sequence[Field], request: HttpRequest) -> dict[str, Any]:
    """What was typed, each in its type. Raises InvalidInput with every fault at once, and Conflict where the dialog was
    opened for something that is over."""
    for asked in fields:
        if asked.kind == "fixed" and request.POST.get(asked.name, asked.initial) != asked.initial:
            raise Conflict(
                f"{asked.label} that this dialog was opened for is no longer the one that is due.",
                cure="Close the dialog and look again.",
                rule="ES-19",
            )
    reading = _Reading()
    values = {asked.name: reading.value(asked, request) for asked in fields}
    if reading.faults:
        raise InvalidInput(reading.faults)
    return values
