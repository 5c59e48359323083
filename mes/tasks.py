"""The one general task: a message names a delivery and its lease, and nothing else."""

from mes.celery import DELIVER, app
from mes.eventlog.delivery import run_queued


@app.task(name=DELIVER)
def deliver(delivery_id: int, token: str) -> None:
    """Run the delivery's handler. A message whose lease is gone changes nothing."""
    run_queued(delivery_id, token)
