"""The first migration of a package, which makes every table in one go, and the steps that this version knows."""

from __future__ import annotations

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState


def known_migrations() -> set[tuple[str, str]]:
    """(app, name) of every step of this version, and of those that one of them takes the place of."""
    found = MigrationLoader(None).disk_migrations or {}
    return set(found) | {before for step in found.values() for before in step.replaces}


class FirstTables(migrations.Migration):
    """Makes tables only, from nothing: CreateModel, AddField, AddConstraint and RunSQL, in any number and order.

    Django renders every related model anew after each operation: 4,302 renderings for a hundred tables. Here the models
    are rendered once, when all operations are known, and each table is made with the fields and constraints that later
    operations of the same migration give it.
    """

    def apply(
        self, project_state: ProjectState, schema_editor: BaseDatabaseSchemaEditor, collect_sql: bool = False
    ) -> ProjectState:
        making = [operation for operation in self.operations if _makes(operation)]
        before = project_state.clone()
        # What is rendered would be rendered again by each operation; without it, `apps` is made on first use.
        project_state.__dict__.pop("apps", None)
        for operation in self.operations:
            operation.state_forwards(self.app_label, project_state)
        for operation in making:
            operation.database_forwards(self.app_label, schema_editor, before, project_state)
        return project_state


def _makes(operation: Operation) -> bool:
    """Whether it still has something to make once every table has all of its fields and constraints."""
    if isinstance(operation, (migrations.CreateModel, migrations.RunSQL)):
        return True
    if isinstance(operation, (migrations.AddField, migrations.AddConstraint)):
        return False
    raise TypeError(f"{type(operation).__name__} is no part of a first migration; write a second one")
