"""A record as a page shows it: every value as text, nothing added and nothing left out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

UTC_TEXT = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$")


DESIGN_PICTURE = "design"
DEVIATION_SECTION = "L"
SHORT = 34
COVER_FACTS = ("material", "side", "intended_use", "rms_mm", "p95_mm", "share_in_tolerance")


def page_of(record: Mapping[str, Any], digest: str, pictures: Mapping[str, str]) -> dict[str, Any]:
    """What the template shows. pictures: data URI by digest, and of the design under `DESIGN_PICTURE`;
    one that was disposed of is not there."""
    sections = [
        {"letter": letter, **_section(section, pictures)}
        for letter, section in sorted(record["sections"].items())
    ]
    signatures = [{**item, "signed_at_utc": text_of(item["signed_at_utc"])} for item in record["signatures"]]
    shown = {
        **record,
        "as_of": text_of(record["as_of"]),
        "sections": sections,
        "deviation": [
            picture
            for section in sections
            if section["letter"] == DEVIATION_SECTION
            for picture in section["shown"]
        ],
        "summary": _summary(record["sections"]),
        "signatures": signatures,
        "papers": [{name: text_of(value) for name, value in item.items()} for item in record["papers"]],
        "events": [{**item, "at": text_of(item["at"]), "title": words(item)} for item in record["events"]],
        "gates": [{**item, "asked_for": item["asked_for"].replace("_", " ")} for item in record["gates"]],
    }
    release = [item for item in signatures if item["meaning"] == "released"]
    return {
        "record": shown,
        "digest": digest,
        "pictures": pictures,
        "status": record["status"].replace("_", " "),
        "release": release[-1] if release else None,
    }


def _section(section: Mapping[str, Any], pictures: Mapping[str, str]) -> dict[str, Any]:
    return {
        **section,
        "shown": [
            {"title": item["title"], "uri": pictures[item["sha256"]]}
            for item in section["pictures"]
            if item["sha256"] in pictures
        ],
        "rows": _paired([_fact(fact) for fact in section["facts"]]),
        "tables": [
            {
                "title": table["title"],
                "columns": [str(column).replace("_", " ") for column in table["columns"]],
                "rows": [[text_of(value) for value in row] for row in table["rows"]],
                "wide": len(table["columns"]) > 6,
            }
            for table in section["tables"]
            if table["columns"]
        ],
    }


def _fact(fact: Mapping[str, Any]) -> dict[str, Any]:
    text = text_of(fact["value"])
    digest = len(text) == 64 and text.isalnum()
    return {**fact, "text": text, "digest": digest, "long": digest or len(text) > SHORT}


def _paired(facts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Two short facts to a row, a long one alone."""
    rows: list[dict[str, Any]] = []
    for fact in facts:
        last = rows[-1]["cells"] if rows else []
        if not fact["long"] and len(last) == 1 and not last[0]["long"]:
            last.append(fact)
        else:
            rows.append({"cells": [fact]})
    return rows


def _summary(sections: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The few facts that stand on the cover."""
    found = {fact["key"]: fact for section in sections.values() for fact in section["facts"]}
    return [_fact(found[key]) for key in COVER_FACTS if key in found]


def words(event: Mapping[str, Any]) -> str:
    """An event as people say it: `devices.device_stage_changed` with its target."""
    said = str(event["type"]).partition(".")[2].replace("_", " ").capitalize()
    target = event["payload"].get("target")
    return f"{said} to {str(target).replace('_', ' ')}" if target else said


def text_of(value: Any) -> str:
    """Numbers to four decimals, instants in UTC to the second, nothing as a dash."""
    if value is None or value in ("", [], {}):
        return "\N{EM DASH}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4f}".rstrip("0").rstrip(".")
    if isinstance(value, Mapping):
        return "; ".join(f"{str(key).replace('_', ' ')}: {text_of(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return _listed(value)
    text = str(value)
    return _instant(text) if UTC_TEXT.match(text) else text


def _listed(values: Any) -> str:
    if all(isinstance(value, (list, tuple)) for value in values):
        return " | ".join(", ".join(text_of(item) for item in value) for value in values)
    return ", ".join(text_of(value) for value in values)


def _instant(text: str) -> str:
    at = datetime.fromisoformat(text)
    zone = "UTC" if text.endswith("Z") else text[-6:]
    return f"{at:%Y-%m-%d %H:%M:%S} {zone}"
