"""What several facts carry."""

from __future__ import annotations

from typing import Any

Gates = list[dict[str, Any]]
"""Every gate's answer with its evidence, as `GateResult.as_payload` gives it."""
Reasons = list[dict[str, str]]
"""[{code, text, cure}]"""
Places = list[dict[str, Any]]
"""[{at_mm: [x, y, z], note}]"""
