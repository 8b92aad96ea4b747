"""What does not fit into the format of an export."""

from __future__ import annotations

from typing import Any, Literal

from . import times
from .errors import Misfit, TapelineError

UnfitPolicy = Literal["raise", "mark"]


class LeftOut:
    """Counts rows that do not fit by their reason, with the first row of each. Reasons are few: they name no
    row."""

    def __init__(self, form: str, policy: UnfitPolicy) -> None:
        if policy not in ("raise", "mark"):
            raise TapelineError(f"unfit={policy!r}: it is 'raise' or 'mark'")
        self._form, self._policy = form, policy
        self._found: dict[str, dict[str, Any]] = {}

    def add(
        self, reason: str, symbol: str | None, time: int | None, number: int | None, series: str | None = None
    ) -> None:
        """Counts a row. `number`: its ordinal, or the number of its bar."""
        entry = self._found.get(reason)
        if entry is not None:
            entry["rows"] += 1
            return
        what = f"bar {number} of {series}" if series else f"ordinal {number}"
        first = f"{symbol} at {times.text(time)}, {what}"
        self._found[reason] = {"reason": reason, "rows": 1, "first": first}

    def told(self) -> list[dict[str, Any]]:
        """Returns the part of the manifest."""
        return list(self._found.values())

    def check(self) -> None:
        """Raises if a row does not fit and the policy says so."""
        if self._found and self._policy == "raise":
            raise Misfit(self._form, self.told())
