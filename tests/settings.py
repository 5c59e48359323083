"""The project's settings, pointed at the tests' own servers."""

import os

from tests.servers import claim_place

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")

for name in (
    "DATABASE_URL",
    "DATABASE_OWNER_URL",
    "DATABASE_SEALER_URL",
    "DATABASE_AUDITOR_URL",
    "BROKER_URL",
):
    os.environ.pop(name, None)
for name in [
    name for name in os.environ if name.startswith("LAMINA_") and not name.startswith("LAMINA_TEST_")
]:
    del os.environ[name]
os.environ["LAMINA_VAR"] = str(claim_place())

from mes.embedded.valkey import celery_url  # noqa: E402
from mes.settings import *  # noqa: E402, F403
from mes.settings import BROKER_URL, CHANNEL_LAYERS, INSTALLED_APPS  # noqa: E402

# Each process of a test run has a logical database of the broker to itself. Channels are shared, so they get a prefix.
BROKER_URL = f"{BROKER_URL}?db={0 if WORKER == 'main' else int(WORKER.removeprefix('gw')) + 1}"
CELERY_BROKER_URL = CELERY_BROKER_READ_URL = CELERY_BROKER_WRITE_URL = celery_url(BROKER_URL)
CHANNEL_LAYERS["default"]["CONFIG"] = {"hosts": [BROKER_URL], "prefix": f"test-{WORKER}"}
# Argon2 is slow on purpose.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
INSTALLED_APPS = [app for app in INSTALLED_APPS if app != "whitenoise.runserver_nostatic"]
WHITENOISE_AUTOREFRESH = True
