"""What signatures of this package cover, as it would read today: a signature over something else is superseded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mes.services.signing_policy import DECIDED_ALONE
from mes.signing_seal import signed_content
from printing.models import Build, MaterialLot, ParameterSet
from printing.selectors.builds import build_content, parameters_content
from printing.selectors.material import lot_content

DECIDED_ALONE.add("printing.lot", "the disposition of a lot")


def _with_what_was_typed(today: Mapping[str, Any], signed: Mapping[str, Any]) -> dict[str, Any]:
    """A decision is signed over the record and over its reason, which does not change any more."""
    return {**{name: value for name, value in signed.items() if name not in today}, **today}


@signed_content("printing.lot", "")
def _lot(lot: MaterialLot, signed: Mapping[str, Any]) -> dict[str, Any]:
    return _with_what_was_typed(lot_content(lot), signed)


@signed_content("printing.build", "")
def _build(build: Build, signed: Mapping[str, Any]) -> dict[str, Any]:
    return _with_what_was_typed(build_content(build), signed)


@signed_content("printing.parameter_set", "")
def _parameters(parameters: ParameterSet, signed: Mapping[str, Any]) -> dict[str, Any]:
    return parameters_content(parameters)
