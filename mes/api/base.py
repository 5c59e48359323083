"""What the views of every package share: rows found by public code, who asks, and typed input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

from django.db.models import QuerySet
from django.http import Http404, QueryDict
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.views import APIView
from rest_framework.viewsets import ReadOnlyModelViewSet

from mes.api.actors import actor_of, series_of, viewer_behind
from mes.api.parsers import TOO_DEEP, fault_in_text, fault_of, is_secret
from mes.api.permits import asks_secret
from mes.api.secrets import OF_SECRET, SecretInput, secret_sent
from mes.compiled import only
from mes.eventlog.base import Actor
from mes.scope import Viewer, visible
from mes.services.signatures import Credentials

LONGEST_NUMBER = 18
PAGED = ("page", "page_size")


def number_in(code: str, letter: str) -> int:
    """The key behind a public code such as N0000001. Raises Http404 where it is none."""
    digits = code[1:]
    if code[:1] != letter or not digits.isascii() or not digits.isdigit() or len(digits) > LONGEST_NUMBER:
        raise Http404
    return int(digits)


def row_of(queryset: Any, code: str, letter: str) -> Any:
    """The row of a public code. Raises Http404 where nobody has it, whatever else the request says."""
    row = only(queryset.filter(pk=number_in(code, letter)))
    if row is None:
        raise Http404
    return row


class Acting(APIView):
    """A view whose actor is the signed-in person. permits: verb of the view to action of `mes.permissions`."""

    permits: ClassVar[Mapping[str, str]] = {}
    filterset_fields: ClassVar[Sequence[str]] = ()
    http_method_names = ("get", "post", "put", "patch", "delete", "head", "options")

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Who may, then whether everything in the address is known: a filter that nothing reads would leave out nothing."""
        super().initial(request, *args, **kwargs)
        if asks_secret(request, self):
            secret_sent(request)
        if request.method in ("GET", "HEAD"):
            self._refuse_unknown(request)

    def _refuse_unknown(self, request: Request) -> None:
        known = (*self.filterset_fields, *PAGED) if getattr(self, "action", "") == "list" else ()
        if unknown := sorted(set(request.query_params) - set(known)):
            raise serializers.ValidationError(
                f"Nothing here is asked for by {', '.join(name[:60] for name in unknown[:10])}; "
                f"known: {', '.join(known) or 'nothing'}."
            )

    @property
    def actor(self) -> Actor:
        return actor_of(self.request)

    @property
    def viewer(self) -> Viewer:
        return viewer_behind(self.request)


class Scoped(Acting):
    """Rows of a table, narrowed to what the viewer may know. Subclasses say which in `rows`."""

    def rows(self) -> QuerySet[Any]:
        raise NotImplementedError

    def get_queryset(self) -> QuerySet[Any]:
        return visible(self.rows(), self.viewer)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """What somebody may not know is not there, before anything that was sent is read."""
        super().initial(request, *args, **kwargs)
        field = getattr(self, "lookup_url_kwarg", None) or getattr(self, "lookup_field", "")
        if field in self.kwargs and getattr(self, "action", None) is not None:
            self.get_object()  # type: ignore[attr-defined]  # of the generic views that this is mixed into


class NumberViewSet(Scoped, ReadOnlyModelViewSet[Any]):
    """A list, and details found by their number."""

    lookup_value_regex = "[0-9]{1,18}"


class CodeViewSet(Scoped, ReadOnlyModelViewSet[Any]):
    """A list, and details found by public code. `letter` is the code's first."""

    letter: ClassVar[str]
    lookup_field = "code"
    lookup_value_regex = "[A-Z][0-9]{1,18}"

    def get_object(self) -> Any:
        return row_of(self.get_queryset(), self.kwargs["code"], self.letter)

    def key(self) -> int:
        """The row's key behind the code of the address, whether or not there is such a row."""
        return number_in(self.kwargs["code"], self.letter)


def storable(value: Any) -> None:
    """A validator of free values. A form's fields do not pass the JSON parser."""
    if fault := fault_of(value):
        raise serializers.ValidationError(fault)


class ValuesField(serializers.DictField):
    """Free values by name."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs, validators=[storable])


class JSONTextField(serializers.JSONField):
    """JSON, also as the text of a form's field."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs, validators=[storable])

    def to_internal_value(self, data: Any) -> Any:
        try:
            return super().to_internal_value(data)
        except RecursionError:
            raise serializers.ValidationError(TOO_DEEP) from None


class NoInput(serializers.Serializer[Any]):
    """Nothing but who asks."""


class SigningInput(serializers.Serializer[Any]):
    """The two components of a signature, and the digest of the content that was shown.

    Without the digest nothing is signed: the answer (409, `content_unseen`) has the `content` that would be, and its
    `digest`. Send the same again with it, once it was read (ES-19). Within a running series of a session the user id may be left out. A client with a key always sends both.
    """

    username = serializers.CharField(max_length=150, required=False, default="", allow_blank=True)
    password = serializers.CharField(
        max_length=1000, trim_whitespace=False, write_only=True, required=False, default="", allow_blank=True
    )
    assertion = serializers.CharField(max_length=20_000, write_only=True, required=False, default="")
    meaning = serializers.CharField(max_length=20, required=False, default="", allow_blank=True)
    digest = serializers.RegexField(
        r"^[0-9a-f]{64}$",
        required=False,
        default="",
        allow_blank=True,
        help_text="SHA-256 of the content that was shown; without it nothing is signed (409 with content and digest)",
    )
    comment = serializers.CharField(max_length=2000, required=False, default="", allow_blank=True)


class ReasonInput(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=2000)


class SecretReasonInput(ReasonInput, SecretInput):
    pass


class LiftInput(ReasonInput):
    hold = serializers.IntegerField(min_value=1, max_value=10**6, required=False, help_text="Id of the hold")


class SignedReasonInput(SigningInput):
    reason = serializers.CharField(max_length=2000)


def given(serializer: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    """The request's body, in shape; a secret that was asked for again is no part of it. Raises DRF's ValidationError (400)."""
    _refuse_unseen(request)
    parsed = serializer(data=request.data)
    parsed.is_valid(raise_exception=True)
    values = dict(parsed.validated_data)
    if issubclass(serializer, SecretInput):
        values = {name: value for name, value in values.items() if name not in OF_SECRET}
    return values | {"series": series_of(request)} if issubclass(serializer, SigningInput) else values


def _refuse_unseen(request: Request) -> None:
    """A form's fields do not pass the JSON parser."""
    if not isinstance(request.data, QueryDict):
        return
    sent: list[tuple[str, list[Any]]] = [*cast(Any, request.data).lists()]
    texts = [(name, text) for name, several in sent for text in several if isinstance(text, str)]
    faults = {name: fault for name, text in texts if (fault := fault_in_text(text, secret=is_secret(name)))}
    if faults:
        raise serializers.ValidationError({name: [fault] for name, fault in faults.items()})


def credentials_in(values: dict[str, Any]) -> Credentials:
    names = ("username", "password", "digest", "comment", "series", "assertion", "meaning")
    return Credentials(**{name: values[name] for name in names})
