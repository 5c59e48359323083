"""The ledger benchmark's own processes. Each is started as a module, with the settings in its environment."""

import django

django.setup()
