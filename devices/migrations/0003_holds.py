"""Each hold of a device becomes an entry of its own."""

from typing import Any

from django.db import migrations, models


def keep_open_holds(apps: Any, schema: Any) -> None:
    """A device that is held has one hold: the one whose reason stands there."""
    devices = apps.get_model("devices", "Device").objects.using(schema.connection.alias)
    for held in devices.filter(held=True):
        hold = {
            "id": 1,
            "reason": held.hold_reason,
            "source": "",
            "by": "",
            "at": "",
            "stage": held.resume_to,
            "lifted": None,
        }
        devices.filter(pk=held.pk).update(holds=[hold])


class Migration(migrations.Migration):
    dependencies = [("devices", "0002_people")]

    operations = [
        migrations.AddField(model_name="device", name="holds", field=models.JSONField(default=list)),
        migrations.RunPython(keep_open_holds, migrations.RunPython.noop),
    ]
