"""What `manage.py verify` says where there is no record to check: also before Django is set up."""

from __future__ import annotations

import json
import sys

RESULT = "UNVERIFIABLE"


def unverifiable(reason: str) -> int:
    """Says why, in one line of JSON at the end where that was asked for. Returns the exit status."""
    line = " ".join(reason.split())
    sys.stdout.write(f"{RESULT}: {line}\n")
    if "--json" in sys.argv:
        sys.stdout.write(
            json.dumps({"result": RESULT, "events": 0, "per_second": 0, "first_bad": None, "reason": line})
            + "\n"
        )
    return 1
