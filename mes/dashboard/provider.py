"""Sign-in at an identity provider (OpenID Connect): state, PKCE and the code are django-allauth's; the nonce, the token's
signature, its age and whom it names are checked here."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from typing import Any, cast

import jwt
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.internal import jwtkit
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET
from requests import RequestException

from mes.api.actors import terminal_of
from mes.dashboard.sessions import enter
from mes.exceptions import InvalidInput, NotPermitted, Refused
from mes.models import Account
from mes.services.credentials import admit, refuse_stranger
from mes.services.federation import account_of_claims, keep_proof

PROVIDER = "sso"
ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
FRESH = {"prompt": "login", "max_age": "0"}


class Adapter(OpenIDConnectOAuth2Adapter):  # type: ignore[misc] # allauth has no types
    """allauth's, which trusts a token because it came over TLS, made to check the signature too."""

    def get_callback_url(self, request: HttpRequest, app: Any) -> str:
        return request.build_absolute_uri(reverse("provider-callback"))

    def complete_login(self, request: HttpRequest, app: Any, token: Any, **kwargs: Any) -> Any:
        text = kwargs["response"].get("id_token", "")
        if not text or jwt.get_unverified_header(text).get("alg") not in ALGORITHMS:
            raise OAuth2Error("no usable id_token")
        claims = jwtkit.verify_and_decode(
            credential=text,
            keys_url=self.openid_config["jwks_uri"],
            issuer=settings.OIDC_ISSUER,
            audience=app.client_id,
            lookup_kid=jwtkit.lookup_kid_jwk,
        )
        return self.get_provider().sociallogin_from_response(request, {"id_token": claims})


def _provider(request: HttpRequest) -> Any:
    if not settings.OIDC_ISSUER:
        raise Http404
    provider = get_adapter(request).get_provider(request, PROVIDER)
    provider.oauth2_adapter_class = Adapter
    return provider


@require_GET
def provider_start(request: HttpRequest) -> HttpResponse:
    """Go to the provider: to sign in, or, signed in already, to be asked for the secret there again."""
    purpose = request.GET.get("for", "sign-in")
    if purpose not in ("sign-in", "signing"):
        raise InvalidInput("The provider is not asked for this.", cure="Reload the page.")
    if purpose == "signing" and not request.user.is_authenticated:
        raise NotPermitted("Only who is signed in may.", cure="Sign in.", rule="P11-10d")
    provider, nonce = _provider(request), secrets.token_urlsafe(24)
    more = {"nonce": nonce} | (FRESH if purpose == "signing" else {})
    try:
        kept = {"nonce": nonce, "purpose": purpose}
        answer = provider.redirect(request, "login", auth_params=more, data=kept)
    except (RequestException, ImmediateHttpResponse):
        raise Refused(
            "The identity provider does not answer.", cure="Sign in with your password, or try later."
        ) from None
    return cast(HttpResponse, answer)


@require_GET
def provider_callback(request: HttpRequest) -> HttpResponse:
    _provider(request)
    view = OAuth2CallbackView.adapter_view(Adapter(request, PROVIDER))
    try:
        return cast(HttpResponse, view(request))
    except jwt.PyJWTError:
        return answer_to(request, {}, {})


def answer_to(request: HttpRequest, claims: Mapping[str, Any], state: Mapping[str, Any]) -> HttpResponse:
    """What follows a provider's answer. Whatever is wrong with it reads the same."""
    kept = state.get("data") or {}
    nonce = str(kept.get("nonce", ""))
    stands = bool(nonce) and hmac.compare_digest(nonce, str(claims.get("nonce", "")))
    try:
        account = account_of_claims(claims) if stands else None
        if kept.get("purpose") == "signing":
            return _proved(request, account, claims)
        secret = admit(account, terminal=terminal_of(request))
    except Refused as refusal:
        context = {"refused": True, "next": "/", "reasons": refusal.reasons}
        return render(request, "mes/sign_in.html", context, status=422)
    enter(request, secret)
    return redirect("/")


def _proved(request: HttpRequest, account: Account | None, claims: Mapping[str, Any]) -> HttpResponse:
    """Hand the dialog that waits a word that it sends along as the secret."""
    if account is None or account != request.user:
        refuse_stranger(terminal_of(request))
        raise NotPermitted(
            "The provider knows you as somebody else.", cure="Sign in there as yourself.", rule="ES-12"
        )
    word = keep_proof(account=account, claims=claims, terminal=terminal_of(request))
    return render(request, "mes/provider_done.html", {"word": f"fresh:{word}"})
