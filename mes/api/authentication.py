"""Who a request comes from: a session's account, or `Authorization: Bearer mes_…`, a key instead of a session. Without a session there is no CSRF to check."""

from __future__ import annotations

from django.contrib.auth.backends import BaseBackend
from django.db.models import BigIntegerField
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from mes.compiled import Compiled, Slot
from mes.models import Account
from mes.services.tokens import account_of_token

_ACCOUNT = Compiled(
    lambda: Account.objects.filter(pk=Slot("key", BigIntegerField()), is_active=True).select_related("person")
)


class SessionBackend(BaseBackend):
    """Whose session it is, while account and person are active. It authenticates nobody: `check_secret` is the one door."""

    def get_user(self, user_id: int) -> Account | None:
        account = _ACCOUNT.first(key=user_id)
        return account if account and (account.person is None or account.person.active) else None


def key_in(request: Request) -> str | None:
    """The key that a request sends; None where it sends none."""
    scheme, _, text = get_authorization_header(request).decode("latin-1").partition(" ")
    return text.strip() if scheme.lower() == "bearer" else None


class TokenAuthentication(BaseAuthentication):
    """A key in the header wins over a cookie; a wrong one is refused, never ignored."""

    def authenticate(self, request: Request) -> tuple[Account, None] | None:
        text = key_in(request)
        if text is None:
            return None
        account = account_of_token(text)
        if account is None:
            raise AuthenticationFailed("This key does not open anything.")
        return account, None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"
