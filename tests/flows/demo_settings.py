"""The project's settings for a demo that tests start: its people choose and type a password some ninety times."""

from mes.settings import *

# Argon2 is slow on purpose.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
