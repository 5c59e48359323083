"""Pages from a record. Nothing is fetched: pictures are data URIs, and every other address is refused."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from weasyprint import HTML, Attachment
from weasyprint.urls import FatalURLFetchingError, URLFetcher


class AddressRefused(FatalURLFetchingError):  # type: ignore[misc] # WeasyPrint is untyped
    """A page asked for something outside itself."""


class DataOnly(URLFetcher):  # type: ignore[misc] # WeasyPrint is untyped
    """Fetches `data:` addresses alone, and stops the rendering at any other: no network, no file of the machine."""

    def __init__(self) -> None:
        super().__init__(allowed_protocols={"data"}, allow_redirects=False, fail_on_errors=True)

    def fetch(self, url: str, headers: Mapping[str, str] | None = None) -> Any:
        if not url.lower().startswith("data:"):
            raise AddressRefused(f"A report may not fetch {url[:80]!r}.")
        return super().fetch(url, headers)


class SignatureLeftOut(ValueError):
    """A page would not show every signature of its record (21 CFR 11.50)."""


def write_pdf(html: str, *, record: Mapping[str, Any], attached: bytes, title: str) -> bytes:
    """PDF/A-3b of a page, the record attached as JSON.

    Raises SignatureLeftOut where the page lacks a signature of the record, AddressRefused where it wants to fetch.
    """
    missing = [item["id"] for item in record["signatures"] if f'data-signature="{item["id"]}"' not in html]
    if missing:
        raise SignatureLeftOut(f"The page of {title} lacks the signatures {missing}.")
    attachment = Attachment(string=attached, name="record.json", description=title, relationship="Source")
    document = HTML(string=html, url_fetcher=DataOnly())
    with warnings.catch_warnings():
        # WeasyPrint 70 leaves closing its colour profile to the garbage collector.
        warnings.filterwarnings("ignore", "unclosed file .*sRGB2014", ResourceWarning)
        pdf: bytes = document.write_pdf(pdf_variant="pdf/a-3b", attachments=[attachment])
    return pdf
