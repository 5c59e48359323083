"""Payloads, signed contents and changed rows, drawn for a reader.

Not by templates: a page of the audit trail shows thousands of values, and a template for each took most of its time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from html import escape

from django import template
from django.utils.safestring import SafeString

from mes.dashboard.changes import Changes, FieldChanged, RowChanged
from mes.templatetags.lamina import digest, is_digest, label, plain_value

register = template.Library()

NAMES_KEPT = 4096
MORE = '<p class="muted small">More rows changed with this event; the sheet (CSV) lists all.</p>'


@register.filter
def drawn(value: object) -> SafeString:
    """A value with everything in it: a mapping as facts, a list as its items, a leaf in words."""
    return SafeString(_drawn(value))


@register.filter
def changes_drawn(changes: Changes) -> SafeString:
    """The rows that an event changed, old and new side by side."""
    return SafeString("".join(_row(row) for row in changes.rows) + (MORE if changes.more else ""))


def _drawn(value: object) -> str:
    if isinstance(value, Mapping):
        return _facts(value)
    if isinstance(value, list | tuple):
        return _items(value) if value else "none"
    return str(digest(value)) if is_digest(value) else escape(plain_value(value))


def _facts(value: Mapping[str, object]) -> str:
    facts = (f"<dt>{_label(str(key))}</dt><dd>{_drawn(item)}</dd>" for key, item in value.items())
    return f'<dl class="facts">{"".join(facts)}</dl>'


def _items(items: Sequence[object]) -> str:
    last = len(items) - 1
    return "".join(_item(item, "" if number == last else ", ") for number, item in enumerate(items))


def _item(item: object, after: str) -> str:
    if isinstance(item, Mapping):
        return f'<div class="value-item">{_facts(item)}</div>'
    return (
        f"<div>{_drawn(item)}</div>" if isinstance(item, list | tuple) else escape(plain_value(item)) + after
    )


@lru_cache(NAMES_KEPT)
def _label(name: str) -> str:
    return escape(label(name))


def _row(row: RowChanged) -> str:
    new = ' <span class="muted">new</span>' if row.written else ""
    table = _table(row) if row.fields else ""
    return f'<div class="changes"><h4>{escape(row.title)}{new}</h4>{table}</div>'


def _table(row: RowChanged) -> str:
    heads = ("Field", "Value") if row.written else ("Field", "Before", "After")
    head = "".join(f'<th scope="col">{text}</th>' for text in heads)
    body = "".join(_field(field, written=row.written) for field in row.fields)
    return (
        f'<div class="table-wrap"><table class="table"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _field(field: FieldChanged, *, written: bool) -> str:
    old = "" if written else f'<td class="old">{_drawn(field.old)}</td>'
    return f'<tr><th scope="row">{_label(field.label)}</th>{old}<td class="new">{_drawn(field.new)}</td></tr>'
