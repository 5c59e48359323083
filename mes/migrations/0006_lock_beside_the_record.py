"""Where the lock of a session stood before."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("mes", "0005_locked_is_idle"),
    ]

    operations = [
        migrations.RemoveField(
            model_name="sessionactivity",
            name="locked_at",
        ),
    ]
