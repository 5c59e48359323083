"""A first migration makes each table once, whole, and does nothing that it was not made for."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection, migrations, models
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from mes.migrating import FirstTables


def tables(name: str, *fields: tuple[str, models.Field[Any, Any]]) -> migrations.CreateModel:
    return migrations.CreateModel(name, [("id", models.BigAutoField(primary_key=True)), *fields])


def first(*operations: Operation) -> FirstTables:
    made = type("Migration", (FirstTables,), {"operations": list(operations)})
    migration: FirstTables = made("0001_initial", "mes")
    return migration


@pytest.mark.django_db
def test_a_table_is_made_once_with_all_that_later_operations_give_it() -> None:
    migration = first(
        migrations.RunSQL("SELECT 1", migrations.RunSQL.noop),
        tables("left"),
        tables("right", ("left", models.ForeignKey("mes.left", models.PROTECT))),
        migrations.AddField("left", "right", models.ForeignKey("mes.right", models.PROTECT)),
        migrations.AddConstraint("left", models.UniqueConstraint(fields=["right"], name="right_once")),
    )
    with connection.schema_editor(collect_sql=True) as editor:
        state = migration.apply(ProjectState(), editor, collect_sql=True)
    said = [str(line) for line in editor.collected_sql]
    made = [line for line in said if line.startswith("CREATE TABLE")]
    assert [line.split('"')[1] for line in made] == ["mes_left", "mes_right"]
    assert '"right_id" bigint NOT NULL' in made[0]
    assert 'CONSTRAINT "right_once" UNIQUE ("right_id")' in made[0]
    assert sum("FOREIGN KEY" in line for line in said) == 2
    assert not any("ADD COLUMN" in line for line in said)
    assert "SELECT 1;" in said
    assert set(state.models["mes", "left"].fields) == {"id", "right"}


def test_what_changes_a_table_that_is_there_belongs_into_a_second_migration() -> None:
    altered = migrations.AlterField("left", "id", models.IntegerField(primary_key=True))
    with pytest.raises(TypeError, match="AlterField is no part of a first migration"):
        first(tables("left"), altered).apply(ProjectState(), connection.schema_editor())
