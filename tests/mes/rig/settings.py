"""For relays and workers that tests start: the kernel, the rig, and leases short enough to run out in a test."""

import os
from datetime import timedelta

from mes.settings import *

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "mes.apps.MesConfig",
    "tests.mes.rig.apps.RigConfig",
]
DELIVERY_QUEUE_LEASE = timedelta(seconds=float(os.environ.get("RIG_QUEUE_LEASE", "1.5")))
DELIVERY_RUN_LEASE = timedelta(seconds=float(os.environ.get("RIG_RUN_LEASE", "1.5")))
DELIVERY_RETRY_FIRST = timedelta(seconds=0.05)
DELIVERY_ATTEMPTS = 1000
SEAL_EVERY = timedelta(seconds=1)
