"""Rows as text and as HTML, for people."""

from __future__ import annotations

import decimal
import html
from typing import Any

from . import schema, times
from .columns import Batch, Field


SHORT = 20
"""So many rows are shown where only a few are expected."""
ROWS_MAX = 100
"""The most rows that are shown. Others are counted."""


def lines(batch: Batch) -> list[str]:
    """Returns the rows as lines below their heads."""
    cells = _cells(batch)
    widths = [max(map(len, column)) for column in zip(*cells)]
    rows = ["  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip() for row in cells]
    return rows + _more(batch)


def page(batch: Batch) -> str:
    """Returns the rows as a table of HTML."""
    head, *rows = _cells(batch)
    parts = ["<thead>", _row(head, "th"), "</thead><tbody>", *(_row(row, "td") for row in rows), "</tbody>"]
    return f"<table>{''.join(parts)}</table>{''.join(f'<p>{more}</p>' for more in _more(batch))}"


def _more(batch: Batch) -> list[str]:
    return [f"and {len(batch) - ROWS_MAX:,} more"] if len(batch) > ROWS_MAX else []


def _row(cells: list[str], name: str) -> str:
    return f"<tr>{''.join(f'<{name}>{html.escape(cell)}</{name}>' for cell in cells)}</tr>"


def _cells(batch: Batch) -> list[list[str]]:
    columns = {field.name: [_text(field, value) for value in column.values()[:ROWS_MAX]]
               for field, column in zip(batch.fields, batch.columns)}
    names = schema.in_text(list(columns))
    return [names, *(list(row) for row in zip(*map(columns.__getitem__, names)))]


def _text(field: Field, value: Any) -> str:
    if value is None:
        return ""
    if field.kind == "ts":
        return times.text(value)
    if field.kind in ("fixed", "wide", "decimal"):
        text = f"{decimal.Decimal(value).scaleb(-field.scale, decimal.Context(prec=50)):f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return str(value)
