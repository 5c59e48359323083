"""Sessions that are locked now count as idle: their next request locks them, with its event. None opens by itself."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("mes", "0004_session_lock"),
    ]

    operations = [
        migrations.RunSQL(
            "UPDATE mes_session_activity SET seen_at = seen_at - interval '1 day' WHERE locked_at IS NOT NULL",
            migrations.RunSQL.noop,
        ),
    ]
