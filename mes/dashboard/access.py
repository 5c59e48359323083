"""Signing in and out. One neutral sentence for every failure (OWASP ASVS 6.3.8)."""

from __future__ import annotations

from django.contrib.auth import authenticate, login, logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from mes.api.actors import terminal_of
from mes.models import Account
from mes.services.signing_series import end_series, session_opened


def _next(request: HttpRequest) -> str:
    asked = request.POST.get("next") or request.GET.get("next") or "/"
    safe = url_has_allowed_host_and_scheme(asked, {request.get_host()}, request.is_secure())
    return asked if safe else "/"


@sensitive_post_parameters("password")
def sign_in(request: HttpRequest) -> HttpResponse:
    refused = False
    if request.method == "POST":
        account = authenticate(
            request, username=request.POST.get("username", ""), password=request.POST.get("password", "")
        )
        if account is not None:
            login(request, account)
            if isinstance(account, Account):
                session_opened(account=account, terminal=terminal_of(request))
            return redirect(_next(request))
        refused = True
    elif request.user.is_authenticated:
        return redirect(_next(request))
    return render(
        request,
        "mes/sign_in.html",
        {"refused": refused, "next": _next(request), "username": request.POST.get("username", "")[:150]},
        status=422 if refused else 200,
    )


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    if isinstance(request.user, Account):
        end_series(account_id=request.user.pk, because="signed out")
    logout(request)
    return redirect("sign-in")
