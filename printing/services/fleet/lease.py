"""One fleet process drives a group of printers. Its epoch fences every write, so a late one changes nothing."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from mes.exceptions import LeaseLost
from printing.models import FleetLease

GROUP = "default"
LEASE = timedelta(seconds=5)


@transaction.atomic
def take_lease(holder: UUID, group: str = GROUP) -> int | None:
    """The new epoch, or None while somebody else holds the group."""
    now = timezone.now()
    FleetLease.objects.get_or_create(group=group, defaults={"until": now})
    lease = FleetLease.objects.select_for_update().get(group=group)
    if lease.until > now and lease.holder not in (None, holder):
        return None
    lease.epoch, lease.holder, lease.until = lease.epoch + 1, holder, now + LEASE
    lease.save()
    return lease.epoch


def renew_lease(holder: UUID, epoch: int, group: str = GROUP) -> bool:
    """Hold it for longer. False where it is lost, even if nobody else took it yet."""
    now = timezone.now()
    mine = FleetLease.objects.filter(group=group, holder=holder, epoch=epoch, until__gt=now)
    return bool(mine.update(until=now + LEASE))


def give_up_lease(holder: UUID, epoch: int, group: str = GROUP) -> None:
    """Let the next process start at once."""
    FleetLease.objects.filter(group=group, holder=holder, epoch=epoch).update(until=timezone.now())


def require_lease(epoch: int, group: str = GROUP) -> None:
    """Raise LeaseLost unless this epoch is the newest. Asked inside the transaction that writes."""
    if not FleetLease.objects.select_for_update().filter(group=group, epoch=epoch).exists():
        raise LeaseLost(f"fleet epoch {epoch}")
