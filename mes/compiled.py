"""Questions that nearly every click asks, always the same but for their values.

Django writes the SQL of a query anew each time it is asked, which takes longer than the answer. Here it is written once in
a process, and the server plans it once per connection: a tenth of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Generic, TypeVar

from django.db import connection
from django.db.models import BigIntegerField, Field, Model, QuerySet, Value
from django.db.models.query import ModelIterable, get_related_populators
from django.db.models.sql.compiler import SQLCompiler

from mes.eventlog.statements import ask_prepared

R = TypeVar("R")
M = TypeVar("M", bound=Model)
LARGEST = 2**63 - 1
"""What a key of the database can be: a larger one is nobody's, and no question for the server."""


class Slot(Value):
    """Where a value goes in a filter: `filter(valid_from__lte=Slot("moment", DateTimeField()))`."""

    sql = "%s"

    def __init__(self, name: str, field: Field[Any, Any]) -> None:
        super().__init__(name, output_field=field)

    def as_sql(self, compiler: SQLCompiler, connection: Any) -> Any:
        return self.sql, [self]


class AnyOf(Slot):
    """Where several values go, of which one is to be the row's: `filter(role=AnyOf("roles", CharField()))`."""

    sql = "ANY(%s)"


@dataclass(frozen=True)
class _OfModel:
    """Makes rows of a model out of what the server answers.

    names, begin: the model's columns, and where they begin
    annotations: by name, the column of what the query computes
    populators: put what is joined beside each row
    """

    model: type[Model]
    names: tuple[str, ...]
    begin: int
    annotations: tuple[tuple[str, int], ...]
    populators: Sequence[Any]

    def row(self, values: tuple[Any, ...]) -> Any:
        own = values[self.begin : self.begin + len(self.names)]
        found = self.model.from_db(connection.alias, self.names, own)
        for populator in self.populators:
            populator.populate(values, found)
        for name, column in self.annotations:
            setattr(found, name, values[column])
        return found


@dataclass(frozen=True)
class _Plan:
    """What Django would work out anew for each question. `converters`: by column, what the driver does not read by itself."""

    sql: str
    parameters: tuple[Any, ...]
    model: _OfModel | None
    converters: dict[int, Any]


class Compiled(Generic[R]):
    """The rows that a query finds, its values given by name: `Compiled(lambda: Person.objects.filter(pk=Slot(…)))(person=7)`.
    Nothing is prefetched and nothing deferred."""

    def __init__(self, query: Callable[[], QuerySet[Any, R]]) -> None:
        self._query = query

    def __call__(self, **values: Any) -> tuple[R, ...]:
        plan = self._plan
        given = [values[part.value] if isinstance(part, Slot) else part for part in plan.parameters]
        rows: Iterable[Any] = ask_prepared(plan.sql, given)
        if plan.converters:
            rows = map(tuple, self._compiler.apply_converters(rows, plan.converters))
        return tuple(rows if plan.model is None else map(plan.model.row, rows))

    def first(self, **values: Any) -> R | None:
        """The first of the rows; None where there is none."""
        return next(iter(self(**values)), None)

    @property
    def model(self) -> type[Model]:
        return self._query().model

    @cached_property
    def _compiler(self) -> SQLCompiler:
        compiler: SQLCompiler = self._query().query.get_compiler(connection=connection)
        return compiler

    @cached_property
    def _plan(self) -> _Plan:
        sql, parameters = self._compiler.as_sql()
        select = [column for column, _, _ in self._compiler.select]
        of_rows = issubclass(self._query()._iterable_class, ModelIterable)
        model = self._of_model() if of_rows else None
        return _Plan(sql, tuple(parameters), model, self._compiler.get_converters(select))

    def _of_model(self) -> _OfModel:
        select, about = self._compiler.select, self._compiler.klass_info
        own = about["select_fields"]
        return _OfModel(
            about["model"],
            tuple(select[number][0].target.attname for number in own),
            own[0],
            tuple(self._compiler.annotation_col_map.items()),
            get_related_populators(about, select, connection.alias),  # type: ignore[call-arg]  # the types are of a later Django
        )


def only(rows: QuerySet[M]) -> M | None:
    """The row of a query that finds one at most, None where it finds none. `first` would ask for an order, whose SQL is a third of the work."""
    return next(iter(rows.order_by()), None)


def by_keys(query: Callable[[], QuerySet[M]]) -> Compiled[M]:
    """The rows of a query that have one of the primary keys `keys`, in the order of their keys: for `locked_rows`."""
    return Compiled(lambda: query().filter(pk=AnyOf("keys", BigIntegerField())).order_by("pk"))


def by_key(model: type[M], key: Any) -> M | None:
    """The row with this primary key; None where there is none."""
    prepared = model._meta.pk.get_prep_value(key)
    if isinstance(prepared, int) and not -LARGEST <= prepared <= LARGEST:
        return None
    return _by_key(model).first(key=prepared)


@cache
def _by_key(model: type[M]) -> Compiled[M]:
    field = model._meta.pk
    return Compiled(lambda: model._default_manager.filter(pk=Slot("key", field)))
