"""Names that a person gives: of symbols, sources, series and values."""

from __future__ import annotations

from collections.abc import Iterable

from .errors import TapelineError

Names = str | Iterable[str] | None


def word(text: str) -> str:
    """Returns a name that the tool does not take for an option."""
    if not isinstance(text, str) or not text or text.startswith("-") or "\0" in text:
        raise TapelineError(f"{text!r} is no name")
    return text


def checked(names: Names, what: str) -> tuple[str, ...]:
    """Returns the names, each once; none: all."""
    if names is None:
        return ()
    if not isinstance(names, Iterable):
        raise TapelineError(f"{names!r} is no name ({what})")
    found = (names,) if isinstance(names, str) else tuple(names)
    for name in found:
        if not isinstance(name, str) or not name or "\0" in name:
            raise TapelineError(f"{name!r} is no name ({what})")
    if not found:
        raise TapelineError(f"the list of {what} is empty: leave it out, or write None or '*', for all")
    return () if "*" in found else tuple(dict.fromkeys(found))
