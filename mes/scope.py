"""Need-to-know: whether a person may know that a thing exists, asked by every door alike (21 CFR 11.10(d), (g)).

Every table that a door shows is registered here once: it belongs to orders (and by which path), to the plant, or to
everybody. Pages, API, sockets, exports, search, scans and files narrow their rows with `visible`; services ask
`may_know` through `mes.permissions.require`. What somebody may not know is not there: the door answers 404, never 403.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from django.db.models import Model, Q, QuerySet

from mes.choices import Role
from mes.eventlog.base import EVENT_TYPES
from mes.models import EventRecord, Patient, Person
from mes.registry import RegistrationError, Registry
from mes.selectors import roles_of
from mes.tables import ROOTS, TABLES

R = Role
M = TypeVar("M", bound=Model)

EVERY_ORDER = frozenset({
    R.ORD,  # takes every order in, and answers for its way
    R.RA,  # decides on the pathway of every order
    R.IMG, R.SEG, R.DSN, R.BLD,  # work the pool of images, bones, designs and plates; external ones see only their own
    R.PHY,  # checks the dose side of whatever design a radiotherapy master names them for
    R.MAT, R.OPR, R.PST, R.INS, R.LBL,  # whoever stands at the machine makes whatever lies on it
    R.QCM, R.QAR, R.QAX,  # nonconformance, review and release
    R.CAL,  # a machine out of calibration reaches back over every order
    R.AUD,  # reads everything, changes nothing
    R.PRV,  # answers a patient's request, whichever order it is about
    R.REC,  # keeps, holds and disposes of the records of every order
})  # fmt: skip
"""The roles that know every order. PRE and CLR know those that they are named on or assigned to; SEC and SYS none."""


EVERY_PATIENT = frozenset({R.ORD, R.PRV})
"""The roles for which a patient needs no order to be their business, within this company."""


@dataclass(frozen=True)
class Viewer:
    """Who looks: the person, and what their roles let them know. Without a person (a program): nothing."""

    person_id: int | None
    roles: frozenset[Role]
    external: bool = False

    @property
    def every_order(self) -> bool:
        return not self.external and bool(self.roles & EVERY_ORDER)


NOBODY = Viewer(None, frozenset())


def viewer_of(person: Person | None, now: datetime | None = None) -> Viewer:
    """What a person may know at a moment. An inactive one nothing (K-14)."""
    if person is None or not person.active:
        return NOBODY
    return Viewer(person.pk, roles_of(person, now), person.external)


@dataclass(frozen=True)
class Belonging:
    """What a table belongs to. kind: "order" (by `path` from its rows to their orders), "everybody", or
    "plant" (printers, material, parameter sets), which whoever knows every order knows too. `names_orders`: what happens
    to its rows tells of orders, so its events are for those who know every order.

    Everybody is everybody of this company. `outsiders`: people of other companies may read the rows too, as they are, and
    not who made them so. `own`: they may read the rows that are theirs, by the lookup from a row to its person, and what
    happened to these. Without either: none (ADR 26)."""

    kind: str
    path: str = ""
    names_orders: bool = False
    outsiders: bool = False
    own: str = ""

    def is_open_to(self, viewer: Viewer) -> bool:
        """Whether every row is a viewer's to read without a reason of its own."""
        if self.kind != "everybody" or self.names_orders:
            return False
        return self.outsiders or not viewer.external


BELONGINGS: Registry[Belonging] = Registry("belonging")
OrdersOf = Callable[[Viewer], QuerySet[Any]]
PatientsOf = Callable[[Viewer], QuerySet[Patient]]
_orders: list[OrdersOf] = []
_patients: list[PatientsOf] = []


def orders_named(rule: OrdersOf) -> OrdersOf:
    """Register what gives the orders that a person is named on or assigned to in a role held now. There is one such rule."""
    if _orders and _orders[0] is not rule:
        raise RegistrationError("the orders of a person are decided twice")
    _orders[:] = [rule]
    return rule


def patients_opened(rule: PatientsOf) -> PatientsOf:
    """Register what gives the patients whose identity a person's work asks for. There is one such rule."""
    if _patients and _patients[0] is not rule:
        raise RegistrationError("the patients of a person are decided twice")
    _patients[:] = [rule]
    return rule


def knows_every_patient(viewer: Viewer) -> bool:
    """Whether a patient needs no order to be a viewer's business."""
    return bool(viewer.roles & EVERY_PATIENT) and not viewer.external


def may_know_patient(viewer: Viewer, patient: Patient) -> bool:
    """Whether who a token is can be a viewer's business at all: every patient is that of those who register and order, and
    of the privacy officer; another person's are those that an order brought to them, and never one without an order."""
    if viewer.person_id is None:
        return False
    if knows_every_patient(viewer):
        return True
    return _patients[0](viewer).filter(pk=patient.pk).exists()


def belongs_to_order(model: type[Model], path: str = "") -> None:
    """Declare the lookup from a table to its order (or orders): "" for the order itself, "device__order"."""
    BELONGINGS.add(model._meta.db_table, Belonging("order", path))


def belongs_to_plant(*models: type[Model]) -> None:
    for model in models:
        BELONGINGS.add(model._meta.db_table, Belonging("plant"))


def belongs_to_everybody(
    *models: type[Model], names_orders: bool = False, outsiders: bool = False, own: str = ""
) -> None:
    """Definitions, documents and people: known to whoever is signed in and of this company. Requests that name orders say
    so, and so does what people of other companies may read: all of it (`outsiders`), or their own rows (`own`)."""
    for model in models:
        found = Belonging("everybody", names_orders=names_orders, outsiders=outsiders, own=own)
        BELONGINGS.add(model._meta.db_table, found)


Streams = Iterable[tuple[str, str]]
_PATIENTS: dict[str, str] = {}
_SUBJECTS: dict[str, Callable[[Any], Streams]] = {}


def belongs_to_patient(model: type[Model], path: str) -> None:
    """Declare the lookup from a table that belongs to no order to the patient that its rows are about."""
    _PATIENTS[model._meta.db_table] = path


def tells_of(model: type[M], streams: Callable[[M], Streams]) -> None:
    """Declare the streams that a row of a table is about, where it names them itself."""
    _SUBJECTS[model._meta.db_table] = streams


def patients_about(rows: Mapping[str, set[str]]) -> set[int]:
    """The keys of the patients that rows are about, by table and key."""
    found: set[int] = set()
    for table, keys in rows.items():
        model = TABLES[table].model
        if model is None:
            continue
        those = model._default_manager.filter(pk__in=keys)
        if table in _SUBJECTS:
            for root, key in (stream for row in those for stream in _SUBJECTS[table](row)):
                found |= patients_about({ROOTS[root].name: {key}})
        elif path := _patient_path(table):
            found.update(key for key in those.values_list(path, flat=True) if key is not None)
    return found


def _patient_path(table: str) -> str:
    if table in _PATIENTS:
        return _PATIENTS[table]
    belonging = BELONGINGS.get(table)
    if belonging is None or belonging.kind != "order":
        return ""
    return f"{belonging.path}__patient" if belonging.path else "patient"


def visible(rows: QuerySet[M], viewer: Viewer) -> QuerySet[M]:
    """The rows that the viewer may know. Raises RegistrationError for a table that nobody declared (K-14).

    A row of several orders, such as a build, is known to whoever may know all of them. Requests that name orders are in
    no list of somebody of another company, nor is what was not declared to be theirs or open to them; one by one, the pages
    of requests ask for a right, or for a part in them.
    """
    belonging = BELONGINGS[rows.model._meta.db_table]
    if viewer.external and belonging.kind == "everybody" and not belonging.is_open_to(viewer):
        return rows.filter(**{belonging.own: viewer.person_id}) if belonging.own else rows.none()
    if belonging.kind == "everybody" or viewer.every_order:
        return rows
    if belonging.kind == "plant" or viewer.person_id is None:
        return rows.none()
    return rows.filter(pk__in=_among(rows.model, belonging.path, viewer))


def _among(model: type[Model], path: str, viewer: Viewer) -> QuerySet[Any]:
    known = _orders[0](viewer).values("pk")
    rows = model._default_manager
    to_order = f"{path}__in" if path else "pk__in"
    mine = rows.filter(**{to_order: known})
    if path:
        others = _orders[0](viewer).model._default_manager.exclude(pk__in=known).values("pk")
        mine = mine.exclude(pk__in=rows.filter(**{to_order: others}).values("pk"))
    return mine.values("pk")


def may_know(viewer: Viewer, thing: Model) -> bool:
    """Whether a thing exists for a viewer."""
    belonging = BELONGINGS[thing._meta.db_table]
    if belonging.kind == "everybody" or viewer.every_order:
        return True
    return visible(type(thing)._default_manager.filter(pk=thing.pk), viewer).exists()


def known_people(people: QuerySet[Person], viewer: Viewer) -> QuerySet[Person]:
    """Of some people, those whose names and roles a viewer may know: everybody's for who knows every order, or gives
    roles; for others, and for whoever is of another company, only themselves."""
    return people if knows_everybody(viewer) else people.filter(pk=viewer.person_id or 0)


def knows_everybody(viewer: Viewer) -> bool:
    return viewer.every_order or (R.SEC in viewer.roles and not viewer.external)


def may_know_record(viewer: Viewer, root: str, key: str) -> bool:
    """Whether what is said about a record, named as streams are, is the viewer's to know.

    Of what belongs to everybody (a hold, a request) a signature or a fact may name orders: only who knows every order.
    """
    if viewer.every_order:
        return True
    model = TABLES[ROOTS[root].name].model if root in ROOTS else None
    if model is None or _belonging_of(root).kind != "order":
        return False
    return visible(model._default_manager.filter(pk=key), viewer).exists()


def orders_of(thing: Model) -> frozenset[int]:
    """The keys of the orders that a thing belongs to; none for a thing of the plant."""
    belonging = BELONGINGS[thing._meta.db_table]
    if belonging.kind != "order":
        return frozenset()
    found = type(thing)._default_manager.filter(pk=thing.pk).values_list(belonging.path or "pk", flat=True)
    return frozenset(key for key in found if key is not None)


def visible_events(events: QuerySet[EventRecord], viewer: Viewer) -> QuerySet[EventRecord]:
    """The events about what the viewer may know: those of a hidden root are left out, and those that name orders or
    patients on somebody's own stream, such as a copy that was taken or a patient that was looked up. Who acted in an event
    that is shown is named, whoever reads it (21 CFR 11.10(e))."""
    if viewer.every_order:
        return events
    telling = [name for name, kind in EVENT_TYPES.items() if kind.names_orders]
    belongings = {root: _belonging_of(root) for root in ROOTS}
    whole = {root for root, belonging in belongings.items() if belonging.is_open_to(viewer)}
    # What outsiders work by, they read as it is: who wrote and approved it are this company's people (`known_people`).
    shown = Q(stream_type__in=() if viewer.external else whole)
    for root, belonging in belongings.items():
        if root not in whole and not belonging.names_orders:
            shown |= Q(stream_type=root, stream_id__in=visible_ids(root, viewer))
    return events.filter(shown).exclude(type__in=telling)


def _belonging_of(root: str) -> Belonging:
    return BELONGINGS.get(ROOTS[root].name) or Belonging("plant")


def visible_ids(root: str, viewer: Viewer) -> Iterable[str]:
    """Ids, as streams have them, of the roots of a type that the viewer may know."""
    model = TABLES[ROOTS[root].name].model
    if model is None or ROOTS[root].name not in BELONGINGS:
        return ()
    return [str(key) for key in visible(model._default_manager.all(), viewer).values_list("pk", flat=True)]
