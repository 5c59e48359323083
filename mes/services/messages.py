"""E-mail to people who work here: alerts, codes, links. Never a word about a patient (K-13)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from smtplib import SMTPException

from django.core.mail import send_mail

from mes.exceptions import described

log = logging.getLogger(__name__)


def send_message(addresses: Sequence[str], subject: str, text: str) -> bool:
    """Send one message to each address apart, so that nobody reads whom else it went to.

    A mail server that cannot be reached does not undo what the message is about; it is logged, and False is returned.
    """
    sent = True
    for address in addresses:
        try:
            send_mail(subject, text, None, [address])
        except (OSError, SMTPException) as failure:
            log.error("a message could not be sent: %s", described(failure))
            sent = False
    return sent
