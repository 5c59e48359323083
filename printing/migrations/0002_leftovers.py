"""Each hold of a printer becomes an entry of its own."""

from typing import Any

from django.db import migrations, models


def keep_open_holds(apps: Any, schema: Any) -> None:
    """A printer that is held has one hold: the one whose reason stands there."""
    printers = apps.get_model("printing", "Printer").objects.using(schema.connection.alias)
    for held in printers.filter(held=True):
        hold = {
            "id": 1,
            "reason": held.hold_reason or "It was held.",
            "source": "foreign run" if held.foreign_run else "",
            "by": "",
            "at": "",
            "stage": "",
            "lifted": None,
        }
        printers.filter(pk=held.pk).update(holds=[hold], hold_reason=hold["reason"])


class Migration(migrations.Migration):
    dependencies = [("printing", "0001_printing")]

    operations = [
        migrations.AddField(model_name="printer", name="holds", field=models.JSONField(default=list)),
        migrations.RunPython(keep_open_holds, migrations.RunPython.noop),
    ]
