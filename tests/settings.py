"""The project's settings, pointed at the tests' own servers."""

import os
import sys

from tests.servers import ROOT, claim_place

# Where the environment forbids bytecode beside the sources, each process that a test starts would compile all of Lamina.
if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
    sys.dont_write_bytecode = False
    sys.pycache_prefix = os.environ.setdefault("PYTHONPYCACHEPREFIX", str(ROOT / "bytecode"))

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

from datetime import timedelta

from mes.settings import *
from mes.settings import INSTALLED_APPS

# Argon2 is slow on purpose.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
INSTALLED_APPS = [app for app in INSTALLED_APPS if app != "whitenoise.runserver_nostatic"]
WHITENOISE_AUTOREFRESH = True
# Most tests run without a sealer, on a database whose first events may be days old. Those about it set their own.
SEALS_OVERDUE = timedelta(days=3650)
