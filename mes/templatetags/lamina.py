"""What templates need to speak one visual language: icons, words for states, moments, digests."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from django import template
from django.conf import settings
from django.db.models import Model
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from mes.choices import Meaning, Role
from mes.dashboard.doors import opens, opens_address
from mes.dashboard.navigation import MENU, Link, links_for, security_verbs
from mes.dashboard.words import WORDS, Word, word_for
from mes.models import Signature
from mes.services.holds import held_by
from mes.services.retention import keeping_of
from mes.signing_seal import Standing, verify_signature
from mes.standing import is_withdrawn

register = template.Library()

TONE_ICONS = {
    "ok": "circle-check",
    "busy": "progress",
    "wait": "hourglass",
    "stop": "alert-circle",
    "off": "circle-dashed",
}

LONG = 10_000
"""From here on the digits of a whole number stand in groups."""
PERCENTILE = re.compile(r" p(\d\d)\b")
ISO = re.compile(r"\d{4}-\d\d-\d\d(T[\d:.]+(Z|[+-][\d:]+))?")


@register.simple_tag
@cache
def icon(name: str, extra: str = "") -> SafeString:
    """A decorative icon: the words beside it carry the meaning."""
    return format_html(
        '<svg class="icon {}" aria-hidden="true" focusable="false"><use href="{}#{}"/></svg>',
        extra,
        static("lamina/img/icons.svg"),
        name,
    )


@register.simple_tag
def state(value: str, tone: str = "", name: str = "") -> SafeString:
    """A state as word, icon and colour. Known values bring their own word, tone and icon."""
    word = word_for(str(value))
    shown = Word(name or word.text, tone or word.tone, word.icon or TONE_ICONS.get(tone or word.tone, ""))
    return format_html('<span class="state tone-{}">{}{}</span>', shown.tone, icon(shown.icon), shown.text)


@register.inclusion_tag("mes/parts/kept.html", takes_context=True)
def kept(context: template.Context, record: Model) -> dict[str, object]:
    """Until when a record is kept, and a padlock for each legal hold that reaches it (11.10(c))."""
    return {"keeping": keeping_of(record), "holds": held_by(record), "request": context.get("request")}


@register.filter
def tone(value: object) -> str:
    return word_for(str(value)).tone


@register.filter
def word(value: object) -> str:
    return word_for(str(value)).text


@register.filter
def moment(value: datetime | None) -> SafeString | str:
    """An instant in the site's zone, named; the machine-readable one beside it."""
    if value is None:
        return "—"
    local = timezone.localtime(value)
    return format_html('<time datetime="{}">{}</time>', value.isoformat(), f"{local:%d %b %Y, %H:%M:%S %Z}")


@register.filter
def ago(value: datetime | None) -> SafeString | str:
    """An age that the page keeps counting (`data-ago`), with the instant as its title."""
    if value is None:
        return "never"
    local = timezone.localtime(value)
    return format_html(
        '<time datetime="{}" title="{}" data-ago>{}</time>',
        value.isoformat(),
        f"{local:%d %b %Y, %H:%M:%S %Z}",
        age(timezone.now() - value),
    )


def age(delta: Any) -> str:
    seconds = max(0, int(delta.total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


@register.filter
def due(value: date | None) -> SafeString | str:
    """A need-by date as a person reads it: late, today, in so many days."""
    if value is None:
        return ""
    days = (value - timezone.localdate()).days
    text = {0: "today", 1: "tomorrow"}.get(days, f"{-days} d late" if days < 0 else f"in {days} d")
    return format_html(
        '<time class="due{}" datetime="{}" title="needed by {}">{}</time>',
        " is-late" if days < 0 else "",
        value.isoformat(),
        f"{value:%d %b %Y}",
        text,
    )


@register.filter
def digest(value: object) -> SafeString:
    """The first twelve digits of a SHA-256; the whole one is the title."""
    text = str(value)
    return format_html('<code title="SHA-256 {}">{}</code>', text, text[:12])


@register.filter
def bytes_of(size: int) -> str:
    amount = float(size)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


@register.filter
def role_words(roles: object) -> str:
    """Who a task waits for, in words."""
    return (
        " or ".join(sorted(str(Role(role).label) for role in roles)) if isinstance(roles, frozenset) else ""
    )


@register.filter
def role_titles(keys: str) -> str:
    """Roles that a signature names by their keys, in words."""
    known = [key.strip() for key in keys.split(",")]
    return ", ".join(str(Role(key).label) if key in Role.values else key for key in known)


@register.filter
def statement(meaning: str) -> str:
    return str(Meaning(meaning).label)


@register.filter
def standing(signature: Signature) -> str:
    """What a signature is worth where it is shown: "valid", "superseded", "withdrawn" or what was tampered with."""
    found = verify_signature(signature)
    return "withdrawn" if found is Standing.VALID and is_withdrawn(signature) else found.value.lower()


@register.filter
def label(name: object) -> str:
    """A field's name as a label: `maximum_p95_mm` → `Maximum, 95th percentile (mm)`."""
    words = PERCENTILE.sub(_percentile, str(name).replace("_", " ").strip())
    for unit in ("mm", "ml", "mm2", "mm3", "days", "degrees", "s", "hu", "g", "deg"):
        if words.endswith(f" {unit}"):
            shown = {"ml": "mL", "hu": "HU", "deg": "°", "mm2": "mm²", "mm3": "mm³"}.get(unit, unit)
            words = f"{words[: -len(unit) - 1]} ({shown})"
            break
    return words[:1].upper() + words[1:]


def _percentile(found: re.Match[str]) -> str:
    number = int(found[1])
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10 if number // 10 != 1 else 0, "th")
    return f", {number}{ending} percentile"


@register.filter
def plain_value(value: object) -> str:
    """A leaf of a payload or of a signed content as a person reads it."""
    if value is None or value == "":
        return "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    return _read(value) if isinstance(value, str) else json.dumps(value)


def _read(text: str) -> str:
    """A day, an instant with its zone and the key of a state, in words; any other text as it is."""
    if "_" in text and text in WORDS:
        return WORDS[text].text
    if not ISO.fullmatch(text):
        return text
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return text
    if len(text) == len("2026-01-31"):
        return f"{when:%d %b %Y}"
    return f"{timezone.localtime(when):%d %b %Y, %H:%M:%S %Z}" if when.tzinfo else text


@register.simple_tag
def environment_note() -> str:
    """What this installation says above every page (`LAMINA_NOTE`), so that a test site is not taken for the real one."""
    return str(settings.ENVIRONMENT_NOTE)


@register.simple_tag(takes_context=True)
def sees_security(context: template.Context) -> bool:
    """Whether the page of accounts opens for this person. Its link stands in the menu: few have it."""
    return any(security_verbs(context["request"]).values())


@register.simple_tag
def provider_name() -> str:
    """What the identity provider is called here; empty where there is none."""
    apps = settings.SOCIALACCOUNT_PROVIDERS["openid_connect"]["APPS"]
    return str(apps[0]["name"]) if settings.OIDC_ISSUER and apps else ""


@register.simple_tag
def idle_seconds() -> int:
    """After how long without a touch a page locks itself."""
    return int(settings.IDLE.total_seconds())


@register.simple_tag(takes_context=True)
def navigation(context: template.Context) -> list[Link]:
    """The pages this person may open, with the current one marked."""
    return links_for(context["request"])


@register.simple_tag(takes_context=True)
def menu(context: template.Context) -> list[Link]:
    """The pages beside this person's name."""
    return links_for(context["request"], MENU)


@register.simple_block_tag(takes_context=True)
def door(context: template.Context, content: str, name: str, key: object = "", css: str = "") -> SafeString:
    """A link to a page, for who may open it; the same words without one for everybody else (11.10(d))."""
    arguments = [key] if key != "" else []
    return _linked(content, reverse(name, args=arguments), css, open_=_opens(context, name, key))


@register.simple_block_tag(takes_context=True)
def door_to(context: template.Context, content: str, address: str, css: str = "") -> SafeString:
    """Likewise to an address."""
    request = context.get("request")
    return _linked(content, address, css, open_=request is not None and opens_address(request, address))


def _opens(context: template.Context, name: str, key: object) -> bool:
    request = context.get("request")
    return request is not None and opens(request, name, key)


def _linked(content: str, address: str, css: str, *, open_: bool) -> SafeString:
    style = format_html(' class="{}"', css) if css else ""
    if open_:
        return format_html('<a{} href="{}">{}</a>', style, address, content)
    return format_html("<span{}>{}</span>", style, content)


@register.filter
def is_digest(value: object) -> bool:
    return isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef")


@register.filter
def moment_in(value: datetime, zone: str) -> SafeString:
    """An instant in a person's own zone, named."""
    return format_html(
        '<time datetime="{}">{}</time>',
        value.isoformat(),
        f"{value.astimezone(ZoneInfo(zone)):%d %b %Y, %H:%M:%S %Z} ({zone})",
    )


@register.filter
def utc(value: datetime) -> str:
    """The same instant in UTC, to the minute, beside a local time."""
    return f"{value.astimezone(UTC):%d %b %Y, %H:%M UTC}"


@register.filter
def lasting(seconds: float | None) -> str:
    """A duration: 1 h 05 min."""
    if seconds is None:
        return "—"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{max(minutes, 1)} min"


@register.filter
def figure(value: object) -> str:
    """A measured value: up to three decimals, vectors with their parts side by side."""
    if isinstance(value, list | tuple):
        return ", ".join(figure(part) for part in value)
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= LONG:
        return f"{value:,}"
    return plain_value(value)


@register.filter
def quantity(value: float, unit: str) -> str:
    """A figure with its unit. A share, whose unit is one, reads as a percentage."""
    if unit == "1":
        return f"{figure(round(100 * float(value), 2))} %"
    return f"{round(float(value), 4):g} {unit}"


@register.filter
def measure(value: Decimal) -> str:
    """A decimal without the zeros that only its column adds: 0.0500 → 0.05."""
    return f"{value.normalize():f}"


@register.filter
def span_of(subject: str) -> str:
    """What an export is about: two days in words, or a code as it is."""
    return " to ".join(_read(part) for part in subject.split("/"))


@register.filter
def split_words(text: str) -> list[str]:
    return text.split(",")


@register.filter
def unlocalized(value: object) -> str:
    """A number as attributes of HTML want it."""
    return str(value)
