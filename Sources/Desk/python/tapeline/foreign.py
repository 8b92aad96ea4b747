"""Frames of other packages, back into values as batches have them. No package is imported for it."""

from __future__ import annotations

import decimal
from collections.abc import Iterator, Sequence
from typing import Any

from .columns import BATCH_ROWS, Field
from .errors import TapelineError

_EXACT_FLOAT = 2**53
_NO_TIME = -(2**63)


def _package(frame: Any) -> str:
    """Returns whose frame it is."""
    for kind in type(frame).__mro__:
        package = kind.__module__.partition(".")[0]
        if (package, kind.__name__) in {
            ("polars", "DataFrame"), ("pandas", "DataFrame"), ("pyarrow", "Table"), ("pyarrow", "RecordBatch")
        }:
            return package
    raise TapelineError(
        f"{type(frame).__name__} is no frame of polars, pandas or pyarrow, and no selection"
        + (": collect() it first" if type(frame).__name__ == "LazyFrame" else "")
    )


def names(frame: Any) -> list[str]:
    """Returns the names of a frame's columns."""
    found = frame.schema.names if _package(frame) == "pyarrow" else list(frame.columns)
    for name in found:
        if found.count(name) > 1:
            raise TapelineError(f"the frame has two columns {name}")
    return [str(name) for name in found]


def parts(frame: Any, fields: Sequence[Field]) -> Iterator[list[list[Any]]]:
    """Yields the values of these columns for at most 65,536 rows at a time: times as nanoseconds, prices and
    sizes as whole numbers or floats."""
    read = {"polars": _polars, "pandas": _pandas, "pyarrow": _pyarrow}[_package(frame)]
    for start in range(0, len(frame), BATCH_ROWS):
        count = min(BATCH_ROWS, len(frame) - start)
        yield [_plain(read(frame, field, start, count), field) for field in fields]


def _no_times(field: Field) -> TapelineError:
    return TapelineError(f"the column {field.name} has no times: leave it as it was read")


def _polars(frame: Any, field: Field, start: int, count: int) -> list[Any]:
    found = frame.get_column(field.name).slice(start, count)
    if field.kind == "ts":
        if type(found.dtype).__name__ != "Datetime":
            raise _no_times(field)
        found = found.dt.epoch("ns")
    values: list[Any] = found.to_list()
    return values


def _pyarrow(frame: Any, field: Field, start: int, count: int) -> list[Any]:
    found = frame.column(field.name).slice(start, count)
    if field.kind == "ts":
        if not str(found.type).startswith("timestamp"):
            raise _no_times(field)
        unit = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[found.type.unit]
        return [None if value is None else value * unit for value in found.cast("int64").to_pylist()]
    values: list[Any] = found.to_pylist()
    return values


def _pandas(frame: Any, field: Field, start: int, count: int) -> list[Any]:
    found = frame[field.name].iloc[start : start + count]
    if field.kind == "ts":
        if not str(found.dtype).startswith("datetime64"):
            raise _no_times(field)
        found = found.dt.tz_convert("UTC").dt.tz_localize(None) if found.dt.tz else found
        whole = found.to_numpy("datetime64[ns]").view("int64").tolist()
        return [None if value == _NO_TIME else value for value in whole]
    return [None if gone else value for value, gone in zip(found.tolist(), found.isna().tolist())]


def _plain(values: list[Any], field: Field) -> list[Any]:
    if field.kind in ("fixed", "wide"):
        return [_price(value, field) if isinstance(value, decimal.Decimal) else value for value in values]
    if field.kind in ("dict", "u", "b"):
        return values
    return [_whole(value, field) if isinstance(value, float) else value for value in values]


def _price(value: decimal.Decimal, field: Field) -> int:
    scaled = value.scaleb(field.scale, decimal.Context(prec=60))
    if scaled != scaled.to_integral_value():
        raise TapelineError(
            f"the column {field.name} has {value}, which has more than {field.scale} decimals"
        )
    return int(scaled)


def _whole(value: float, field: Field) -> int:
    if not value.is_integer() or abs(value) >= _EXACT_FLOAT:
        raise TapelineError(
            f"the column {field.name} has floats, which do not have its numbers exactly: take a frame of"
            " to_polars(), to_pandas() or to_arrow()"
        )
    return int(value)
