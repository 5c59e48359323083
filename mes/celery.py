"""The Celery application. It carries deliveries of the event log and nothing else; results are off.

A task may be started twice (its worker died, its lease ran out): the inbox row makes its effect happen once.
"""

import ctypes
import os
import signal

from celery import Celery
from celery.signals import worker_process_init
from kombu.exceptions import OperationalError

from mes.lazy import load_now

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mes.settings")

DELIVER = "mes.deliver"
PR_SET_PDEATHSIG = 1
QUEUES = ("default", "imaging", "slicing", "reports")

app = Celery("mes")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    task_default_queue=QUEUES[0],
    worker_prefetch_multiplier=1,
    worker_max_tasks_per_child=500,
    worker_hijack_root_logger=False,
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
    # A task that outlives the visibility timeout would be started twice without any fault.
    task_time_limit=600,
    task_soft_time_limit=540,
    # The defaults bring a dead worker's tasks back only every 100 s.
    broker_transport_options={
        "visibility_timeout": 900,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
    },
)
app.autodiscover_tasks(["mes"])


def send_delivery(queue: str, delivery_id: int, token: str) -> None:
    """Put a delivery on its queue. Raises ConnectionError where the broker is away; the relay's sweep sends it again."""
    try:
        app.send_task(DELIVER, args=(delivery_id, token), queue=queue, retry=False)
    except OperationalError as error:
        raise ConnectionError("the broker does not answer") from error


@worker_process_init.connect
def die_with_the_worker(**_: object) -> None:
    """A pool process of a worker that was killed must not work on as an orphan."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == 1:
        os.kill(os.getpid(), signal.SIGKILL)


@worker_process_init.connect
def load_the_libraries(**_: object) -> None:
    """What the other processes put off, a worker loads before its first task and not during it."""
    load_now()
