#!/usr/bin/env python3
"""The one entry point: `manage.py help` lists what there is."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

from mes.embedded.keyfiles import only_reads
from mes.embedded.layout import EXIT_CONFIGURATION, exit_status, refused_write
from mes.embedded.unverifiable import unverifiable

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mes.settings")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as fault:
        if only_reads():
            sys.exit(unverifiable(str(fault)))
        sys.stderr.write(f"Lamina is not configured as it must be. {fault}\n")
        sys.exit(EXIT_CONFIGURATION)
    except OSError as fault:
        refusal = refused_write(fault)
        if refusal is None:
            raise
        sys.stderr.write(f"{refusal}\n")
        sys.exit(exit_status(fault))
