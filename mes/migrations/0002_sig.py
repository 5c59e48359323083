"""A review of the audit trail whose signature was withdrawn is made again over the same events."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("mes", "0001_initial")]

    operations = [migrations.RemoveConstraint("auditreview", "audit_review_once")]
