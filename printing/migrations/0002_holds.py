"""Each hold of a printer becomes an entry of its own; a claim withdrawn from an untouched machine frees it."""

from typing import Any

from django.db import migrations, models
from django.db.models import F


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


def free_untouched(apps: Any, schema: Any) -> None:
    """Claims that were withdrawn before anything was sent to the machine hold it no longer."""
    jobs = apps.get_model("printing", "PrintJob").objects.using(schema.connection.alias)
    sent = apps.get_model("printing", "PrinterCommand").objects.using(schema.connection.alias)
    withdrawn = jobs.filter(state="cancelled", started_at=None, plate_cleared_at=None).exclude(
        pk__in=sent.filter(sent_at__isnull=False).values("job_id")
    )
    withdrawn.update(withdrawn_at=F("ended_at"))


class Migration(migrations.Migration):
    dependencies = [("printing", "0001_printing")]

    operations = [
        migrations.AddField(model_name="printer", name="holds", field=models.JSONField(default=list)),
        migrations.RunPython(keep_open_holds, migrations.RunPython.noop),
        migrations.AddField(
            model_name="printjob",
            name="withdrawn_at",
            field=models.DateTimeField(
                null=True, help_text="The claim was withdrawn and the machine untouched"
            ),
        ),
        migrations.RunPython(free_untouched, migrations.RunPython.noop),
        migrations.RemoveConstraint(model_name="printjob", name="job_holds_printer"),
        migrations.AddConstraint(
            model_name="printjob",
            constraint=models.UniqueConstraint(
                fields=["printer"],
                condition=models.Q(plate_cleared_at__isnull=True, withdrawn_at__isnull=True),
                name="job_holds_printer",
            ),
        ),
    ]
