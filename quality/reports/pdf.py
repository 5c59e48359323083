"""Pages from a record. Nothing is fetched: pictures are data URIs, and every other address is refused."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from mes.lazy import lazily

WEASYPRINT: Any = lazily("weasyprint")
URLS: Any = lazily("weasyprint.urls")


class AddressRefused(ValueError):
    """A page asked for something outside itself."""


@cache
def data_only() -> Any:
    """What fetches `data:` addresses alone and stops the rendering at any other: no network, no file of the machine."""

    class DataOnly(URLS.URLFetcher):  # type: ignore[misc] # WeasyPrint is untyped, and loaded when it is first used
        def fetch(self, url: str, headers: Mapping[str, str] | None = None) -> Any:
            if not url.lower().startswith("data:"):
                raise URLS.FatalURLFetchingError(f"A report may not fetch {url[:80]!r}.")
            return super().fetch(url, headers)

    return DataOnly(allowed_protocols={"data"}, allow_redirects=False, fail_on_errors=True)


class SignatureLeftOut(ValueError):
    """A page would not show every signature of its record (21 CFR 11.50)."""


def write_pdf(
    html: str, *, record: Mapping[str, Any], attached: bytes, title: str, dated: datetime | None = None
) -> bytes:
    """PDF/A-3b of a page, the record attached as JSON. `dated` is the time of the attachment: now, if left out; given, the
    same page gives the same bytes.

    Raises SignatureLeftOut where the page lacks a signature of the record, AddressRefused where it wants to fetch.
    """
    missing = [item["id"] for item in record["signatures"] if f'data-signature="{item["id"]}"' not in html]
    if missing:
        raise SignatureLeftOut(f"The page of {title} lacks the signatures {missing}.")
    attachment = WEASYPRINT.Attachment(
        string=attached,
        name="record.json",
        description=title,
        relationship="Source",
        created=dated,
        modified=dated,
    )
    try:
        document = WEASYPRINT.HTML(string=html, url_fetcher=data_only())
        with warnings.catch_warnings():
            # WeasyPrint 70 leaves closing its colour profile to the garbage collector.
            warnings.filterwarnings("ignore", "unclosed file .*sRGB2014", ResourceWarning)
            pdf: bytes = document.write_pdf(pdf_variant="pdf/a-3b", attachments=[attachment])
    except URLS.FatalURLFetchingError as refusal:
        raise AddressRefused(str(refusal)) from refusal
    return pdf
