"""Whether the server's clock can be trusted: no signature is made by a clock that is wrong (G-CLK-01, K-03, ES-19).

Three witnesses are asked: what the kernel says of its synchronisation (`adjtimex`, which chrony, ntpd and
systemd-timesyncd all keep up to date), a step of the wall clock against the boot clock since this process started, and
the newest moment that the record already holds.
"""

from __future__ import annotations

import ctypes
import sys
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from mes.exceptions import Reason

LIMIT = timedelta(seconds=5)
RULE = "G-CLK-01"
CURE = "Have the server's time service (chrony or another NTP client) put right, then sign again."
TIME_ERROR, STA_UNSYNC, STA_NANO = 5, 0x40, 0x2000


@dataclass(frozen=True)
class Reading:
    """What the time source says. `synchronised` is None where nobody can say; `offset_s` is the clock's error."""

    synchronised: bool | None
    offset_s: float


class _Timex(ctypes.Structure):
    """The head of Linux' `struct timex`; the rest is not read, but must have room."""

    _fields_ = [
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 256),
    ]


def kernel_says() -> Reading:
    """The kernel's own account of its clock; nothing to say outside Linux or where the call is forbidden."""
    if not sys.platform.startswith("linux"):
        return Reading(None, 0.0)
    told = _Timex()
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(told))
    if state < 0:
        return Reading(None, 0.0)
    unit = 1e-9 if told.status & STA_NANO else 1e-6
    return Reading(state != TIME_ERROR and not told.status & STA_UNSYNC, told.offset * unit)


def _wall_against_boot() -> float:
    boot = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.time() - time.clock_gettime(boot)


class _Steps:
    """The wall clock may only run as the boot clock does, unless a time source vouches for it."""

    def __init__(self) -> None:
        self.anchor = _wall_against_boot()

    def seconds(self, *, vouched: bool) -> float:
        now = _wall_against_boot()
        if vouched:
            self.anchor = now
        return now - self.anchor


_steps = _Steps()


def clock_faults(*, now: datetime, newest: datetime | None) -> tuple[Reason, ...]:
    """Why this clock may not date a signature at `now`. `newest` is the latest moment that the record holds.

    With the policy `required` a clock that nobody says is synchronised is refused, too; with `measured` only one that
    is seen to be wrong.
    """
    said, limit = kernel_says(), LIMIT.total_seconds()
    stepped = _steps.seconds(vouched=said.synchronised is True)
    found = (
        (
            settings.SIGNING_CLOCK == "required" and said.synchronised is not True,
            "The server's clock is not synchronised.",
        ),
        (abs(said.offset_s) > limit, f"The server's clock is {abs(said.offset_s):.0f} s off."),
        (abs(stepped) > limit, f"The server's clock was set by {stepped:+.0f} s while Lamina ran."),
        (newest is not None and newest - now > LIMIT, "The server's clock is behind the record."),
    )
    return tuple(Reason(text, CURE, RULE) for wrong, text in found if wrong)
