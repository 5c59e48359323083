"""The one table in code of what each database table is.

- *record*: written once. SELECT and INSERT for the application; UPDATE, DELETE and TRUNCATE refused by trigger.
- *working*: a projection of the record, also UPDATE. DELETE nowhere.
- *session*: holds nothing of the record (web sessions); the application may delete rows.
- *fixed*: written by the owner's migrations alone; the application reads.

A working table may be the *root* of a stream: its row's digest then stands on every event of that stream. The digest
covers the fields that a numbered schema lists; a schema, once used, is kept for ever so that old events can be checked.

Record and working tables have a *history* (`mes.models.FieldChange`, 21 CFR 11.10(e)): a trigger keeps every new row, and
`manage.py verify` compares. What has none says why, here and nowhere else.

A change of a row is explained only by an event of the same transaction on the stream that *speaks* for it: the row's own
where it is a root, else the one that `spoken` names. Columns of a root that its digest leaves out are written once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeVar

from mes.registry import RegistrationError, Registry

if TYPE_CHECKING:
    from django.db.models import Model

Kind = Literal["record", "working", "session", "fixed"]
Pairs = tuple[tuple[str, str], ...]
M = TypeVar("M", bound="type[Model]")


@dataclass(frozen=True)
class StageGuard:
    """The moves of one column that the database itself allows: where a row may start, and every (from, to)."""

    column: str
    initial: tuple[str, ...]
    pairs: Pairs


ANY = "*"
"""A signature about a record of whichever kind: what it says names it."""
Said = str | tuple[Callable[..., object], *tuple[str, ...]]
"""A path from a row to a value, or a function and the paths to what it is called with."""


@dataclass(frozen=True)
class Signed:
    """What the signature in a column is about: which record, with which meaning, by whom, and what it says of the row.

    root, key: the record that was signed, and the foreign keys that lead from the row to it; without them the row itself. A record of `ANY` kind has its key alone.
    by: the path to who signed, as the row has it.  fixed: values of the signed content that are always the same.
    says: by name in the signed content (`details` of a move among them), the value that the row has; a name that ends with
    `[]` is a list that holds it.  later: the same, where the content has the name at all.  text: the column that keeps the
    signed content itself.
    """

    meanings: tuple[str, ...]
    root: str = ""
    key: str = "pk"
    by: str = ""
    fixed: Mapping[str, object] = field(default_factory=dict)
    says: Mapping[str, Said] = field(default_factory=dict)
    later: Mapping[str, Said] = field(default_factory=dict)
    text: str = ""


@dataclass(frozen=True)
class Table:
    name: str
    kind: Kind
    model: type[Model] | None = None
    root: str = ""
    digest_schemas: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    stage: StageGuard | None = None
    secret: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    digested: tuple[str, ...] = ()
    no_history: str = ""
    without_event: str = ""
    given: tuple[str, ...] = ()
    spoken: Mapping[str, str] = field(default_factory=dict)
    signed: Mapping[str, Signed] = field(default_factory=dict)

    @property
    def has_history(self) -> bool:
        return self.kind in ("record", "working") and self.model is not None and not self.no_history

    @property
    def hidden(self) -> tuple[str, ...]:
        """Columns that stand in the history only as the SHA-256 of their value as text."""
        return (*self.secret, *self.digested)

    @property
    def key(self) -> str:
        """The column that identifies a row."""
        if self.model is None or not self.model._meta.pk.column:
            raise RegistrationError(f"{self.name} has no single column that identifies a row")
        return self.model._meta.pk.column

    @property
    def current_schema(self) -> int:
        return max(self.digest_schemas)


TABLES: Registry[Table] = Registry("table")
ROOTS: Registry[Table] = Registry("stream root")
Recomputed = Callable[[], Iterable[str]]
COVERED: Registry[Recomputed] = Registry("covered root")
"""By root: what yields the ids of those whose digest over other rows is not that of these rows any more."""

CHECKS: Registry[Recomputed] = Registry("check of what lies beside the record")
"""By what is checked: what yields a sentence for everything that is wrong with it."""


def checked(what: str) -> Callable[[Recomputed], Recomputed]:
    """Register, for `manage.py verify`, a check of what lies beside the record, such as the keys that open it."""

    def declare(check: Recomputed) -> Recomputed:
        CHECKS.add(what, check)
        return check

    return declare


def covered_by(root: str) -> Callable[[Recomputed], Recomputed]:
    """Register, for `manage.py verify`, how the rows that only a digest in their root covers are recomputed."""

    def declare(recompute: Recomputed) -> Recomputed:
        COVERED.add(root, recompute)
        return recompute

    return declare


# Django's own tables, and the only one whose rows may go.
for _name in (
    "django_migrations",
    "django_content_type",
    "auth_permission",
    "auth_group",
    "auth_group_permissions",
):
    TABLES.add(_name, Table(_name, "fixed"))
TABLES.add("django_session", Table("django_session", "session"))
# django-allauth's: it looks into them, and nothing is ever written there. Who is who stands in our own tables.
for _name in (
    "account_emailaddress",
    "account_emailconfirmation",
    "mfa_authenticator",
    "socialaccount_socialaccount",
    "socialaccount_socialapp",
    "socialaccount_socialtoken",
):
    TABLES.add(_name, Table(_name, "fixed"))


def table(
    kind: Kind,
    *,
    root: str = "",
    digest: Mapping[int, tuple[str, ...]] | None = None,
    stage: StageGuard | None = None,
    secret: tuple[str, ...] = (),
    beside: tuple[str, ...] = (),
    digested: tuple[str, ...] = (),
    no_history: str = "",
    without_event: str = "",
    given: tuple[str, ...] = (),
    spoken: Mapping[str, str] | None = None,
    signed: Mapping[str, Signed] | None = None,
) -> Callable[[M], M]:
    """Class decorator of every model: says what its table is. A root names its stream type and digest schemas.

    `secret` names the columns that an auditor, who reads everything else, does not see; like `digested` ones, which are
    only large, they stand in the history as a digest. `beside` names the columns that are no part of the record: they
    have no history. `no_history` says why a whole table has none, `without_event` why its rows may come to be in a
    transaction that publishes nothing. `given` names the columns that the database alone fills: nobody may insert a value of
    their own. `spoken` names the roots whose events speak for rows that are no roots, each with the foreign keys that lead
    from the row to it (`inspection__device`), or with nothing where any stream of that root does. A root that has one
    besides may change in every column: only its own events tell its digest. `signed` says of each column that carries a
    signature what that is about: `manage.py verify` holds every row to it (ES-09).
    """
    if bool(root) != bool(digest):
        raise RegistrationError("a root has a digest schema, and nothing else has one")
    if root and any((spoken or {}).values()):
        raise RegistrationError("a root speaks for itself, beside streams of any kind")

    def declare(model: M) -> M:
        declared = Table(
            model._meta.db_table, kind, model, root, dict(digest or {}), stage, secret, beside, digested, no_history,
            without_event, given, dict(spoken or {}),
            dict(signed or {}),
        )  # fmt: skip
        TABLES.add(declared.name, declared)
        if root:
            ROOTS.add(root, declared)
        return model

    return declare
