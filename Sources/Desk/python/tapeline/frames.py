"""Frames of other packages, made of batches. Each package is imported when it is asked for."""

from __future__ import annotations

import contextlib
import decimal
import importlib
import os
from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from . import schema, shown
from .arrow import Stream
from .columns import Batch, Column, Field, PriceType, batch, checked_price, unpacked
from .errors import TapelineError

if TYPE_CHECKING:
    import numpy
    import pandas
    import polars


def package(name: str) -> Any:
    """Imports a package, or a module of one, that is not required."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        owner = name.partition(".")[0]
        raise TapelineError(
            f"{name} cannot be imported ({error}): pip install {_INSTALLED_AS.get(owner, owner)}"
        ) from None


_INSTALLED_AS = {"databento_dbn": "databento-dbn"}


class Given(Protocol):
    """A reading for a package that takes Arrow streams."""

    @property
    def numbered(self) -> Sequence[str]:
        """The columns that have the numbers of their texts, and not the texts."""

    @property
    def failure(self) -> BaseException | None:
        """Why the package did not get all of it."""

    def capsule(self) -> object:
        """Returns a capsule, from which a package takes the stream. It can be taken once."""

    def texts(self, name: str) -> list[str]:
        """What the numbers of a column mean, after the reading."""

    def close(self) -> None:
        """Frees what only the caller needs. A stream that was taken continues."""


HEAD_ROWS_MAX = 65_536


class Readable:
    """Rows that are read when they are asked for. Nothing is kept, so each use reads again.

    polars, pyarrow, duckdb and pandas' Arrow readers take the object itself: `polars.DataFrame(trades)`.
    Iteration yields batches of at most 65,536 rows."""

    price: PriceType = "float"
    tz: str = "UTC"

    def fields(self) -> tuple[Field, ...]:
        """The names and types of the columns, before prices are converted."""
        raise NotImplementedError

    def raw_batches(self) -> Iterator[Batch]:
        """Opens the reading, and yields its batches, prices as whole numbers. Raises TapeHole at once."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[Batch]:
        return self.batches()

    def batches(self, price: PriceType | None = None) -> Iterator[Batch]:
        """Opens the reading, and yields its batches. `price`: "float", "fixed" (whole numbers) or
        "decimal"."""
        mode = self._mode(price)
        found = self.raw_batches()
        return (batch.priced(mode) for batch in found)

    def count(self) -> int:
        """Returns the number of rows. It reads all of them. `len` would have to do so as well, and Python asks for it
        unseen, as in `list(…)`."""
        return sum(map(len, self.raw_batches()))

    def head(self, rows: int = 5) -> Table:
        """Returns the first rows, to be looked at: it prints as a table, and has `to_polars()` and the like."""
        if isinstance(rows, bool) or not isinstance(rows, int) or not 0 < rows <= HEAD_ROWS_MAX:
            raise TapelineError(f"head({rows!r}): it is a number of rows from 1 to {HEAD_ROWS_MAX:,}")
        found: list[tuple[Any, ...]] = []
        with contextlib.closing(_closable(self.raw_batches())) as batches:
            for one in batches:
                found += zip(*(column.values()[: rows - len(found)] for column in one.columns))
                if len(found) == rows:
                    break
        table = Table(batch(self.fields(), found, {}), self.tz)
        table.price = self.price
        return table

    def _mode(self, price: PriceType | None) -> PriceType:
        return checked_price(self.price if price is None else price)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.given(None).capsule()

    def given(self, price: PriceType | None, *, numbered: bool = False) -> Given:
        """Opens a reading for a package. `numbered`: repeated texts may come as their numbers."""
        mode = self._mode(price)
        fields = [field.priced(mode) for field in self.fields()]
        return Stream(fields, self.batches(mode), self.tz)

    def to_polars(self, price: PriceType | None = None) -> polars.DataFrame:
        """Returns a polars DataFrame."""
        build = package("polars").DataFrame
        given = self.given(price, numbered=True)
        with _handed(given) as rows:
            frame: polars.DataFrame = build(rows)
            if given.numbered:
                frame = _named(frame, given)
            names = schema.in_frame(frame.columns)
            return frame if names == frame.columns else frame.select(names)

    def to_arrow(self, price: PriceType | None = None) -> Any:
        """Returns a pyarrow Table."""
        build = package("pyarrow").table
        with _handed(self.given(price)) as rows:
            return build(rows)

    def to_numpy(self, price: PriceType | None = None) -> dict[str, numpy.ndarray]:
        """Returns an array per column. Times are datetime64[ns] in UTC, text is objects, a missing whole
        number makes its column floats."""
        return self._arrays(price)

    def _arrays(self, price: PriceType | None, *, masked: bool = False) -> dict[str, Any]:
        package("numpy")
        mode = self._mode(price)
        fields = [field.priced(mode) for field in self.fields()]
        columns: list[list[Any]] = [[] for _ in fields]
        texts: list[tuple[str, ...]] = [()] * len(fields)
        for batch in self.batches(mode):
            for parts, field, column in zip(columns, fields, batch.columns):
                parts.append(_array(field, column, masked))
            texts = [column.dictionary or () for column in batch.columns]
        whole = {field.name: _whole(field, parts) for field, parts in zip(fields, columns)}
        # A later dictionary begins with the earlier one.
        for field, known in zip(fields, texts):
            if field.kind == "dict":
                whole[field.name] = _texts(whole[field.name], known, masked)
        return whole

    def to_pandas(self, price: PriceType | None = None) -> pandas.DataFrame:
        """Returns a pandas DataFrame. Times have the zone of the selection, repeated text is categorical, and
        a column of whole numbers of which one is missing has pandas' type for that (Int64)."""
        pd = package("pandas")
        found: dict[str, Any] = {}
        kinds = {field.name: field.kind for field in self.fields()}
        for name, values in self._arrays(price, masked=True).items():
            if kinds[name] == "ts":
                found[name] = pd.DatetimeIndex(values).tz_localize("UTC").tz_convert(self.tz)
            elif hasattr(values, "mask"):
                found[name] = pd.arrays.IntegerArray(values.data, package("numpy").ma.getmaskarray(values))
            else:
                found[name] = values
        names = schema.in_frame(list(found))
        frame: pandas.DataFrame = pd.DataFrame({name: found[name] for name in names}, copy=False)
        return frame

    # The names that Databento's client has for the same.
    to_df = to_pandas

    def write_parquet(self, path: str | os.PathLike[str], price: PriceType | None = None) -> int:
        """Writes one Parquet file (zstd), a row group per batch, and returns the number of rows. It needs
        pyarrow. The file is complete or absent, and an existing one is not replaced."""
        package("pyarrow")
        parquet = package("pyarrow.parquet")
        arrow = package("pyarrow")
        target = os.fspath(path)
        if os.path.exists(target):
            raise TapelineError(f"{target} is there already: remove it, or name another file")
        stream = self.given(price)
        temporary = f"{target}.{os.getpid()}.new"
        rows = 0
        try:
            with _handed(stream) as handed:
                reader = arrow.RecordBatchReader.from_stream(handed)
                with parquet.ParquetWriter(temporary, reader.schema, compression="zstd") as writer:
                    for batch in reader:
                        writer.write_batch(batch)
                        rows += batch.num_rows
            synchronize(temporary)
            os.link(temporary, target)
            synchronize(os.path.dirname(os.path.abspath(target)))
        except OSError as error:
            raise TapelineError(f"cannot write {target}: {error}") from error
        finally:
            if os.path.exists(temporary):
                os.unlink(temporary)
        return rows


def _closable(batches: Iterator[Batch]) -> Generator[Batch, None, None]:
    """Yields batches. Its end is that of the reading, also before the last one."""
    yield from batches


def synchronize(path: str) -> None:
    """Brings a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def arrow_batch(batch: Batch, tz: str) -> Any:
    """Returns a batch as pyarrow has it."""
    build = package("pyarrow").RecordBatchReader.from_stream
    with _handed(Stream(batch.fields, iter([batch]), tz)) as rows:
        return build(rows).read_next_batch()


def _named(frame: polars.DataFrame, given: Given) -> polars.DataFrame:
    """Returns a frame with the texts of numbers, as categories. Polars looks up each of a million rows when it gets
    them as texts of Arrow."""
    pl = package("polars")
    return frame.with_columns(
        pl.lit(pl.Series(name, given.texts(name), dtype=pl.Categorical)).gather(pl.col(name)).alias(name)
        for name in given.numbered
    )


@contextlib.contextmanager
def _handed(stream: Given) -> Iterator[_Handed]:
    """Hands a stream to a package, and closes the reading. What made it fail is raised, and not what the package
    says of it."""
    try:
        yield _Handed(stream)
    except BaseException as error:
        if stream.failure is None:
            raise
        raise stream.failure from error
    finally:
        stream.close()


class _Handed:
    """A stream as packages want it."""

    def __init__(self, stream: Given) -> None:
        self._stream = stream

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._stream.capsule()


def _array(field: Field, column: Column, masked: bool) -> Any:
    np = package("numpy")
    if field.kind == "ts":
        values = np.array(column.integers(), "<i8")
        return _masked(values, column, np.iinfo("<i8").min).view("datetime64[ns]")
    if field.kind == "dict":
        return _masked(np.array(column.integers(), "<i4"), column, -1)
    if field.kind in ("u", "b"):
        return np.array(column.values(), object if field.kind == "u" or column.nulls else bool)
    if field.kind == "decimal":
        return np.array([_decimal(value, field.scale) for value in column.values()], object)
    if column.validity is None or not column.nulls:
        return np.array(column.integers())
    if masked and field.kind != "g":
        return np.ma.MaskedArray(
            np.array(column.integers()), ~np.frombuffer(unpacked(column.validity, column.length), bool)
        )
    return _masked(np.array(column.integers(), float), column, float("nan"))


def _texts(places: Any, texts: tuple[str, ...], masked: bool) -> Any:
    """Returns the texts of their numbers, -1 for none: of pandas as it makes a categorical of the texts, whose
    categories are those that occur, in order."""
    np = package("numpy")
    if not masked:
        return np.array([*texts, None], object)[places]
    used = np.flatnonzero(np.bincount(places + 1, minlength=1)[1:]).tolist()
    order = sorted(used, key=texts.__getitem__)
    ranks = np.full(len(texts) + 1, -1, "<i4")
    ranks[order] = range(len(order))
    categorical = package("pandas").Categorical
    known = categorical(np.array([texts[place] for place in order], object)).categories
    return categorical.from_codes(ranks[places], categories=known)


def _decimal(value: int | None, scale: int) -> decimal.Decimal | None:
    return None if value is None else decimal.Decimal(value).scaleb(-scale, decimal.Context(prec=50))


def _masked(values: Any, column: Column, instead: float) -> Any:
    if column.validity is not None:
        flags = unpacked(column.validity, column.length)
        values[~package("numpy").frombuffer(flags, bool)] = instead
    return values


_DTYPES = {"ts": "datetime64[ns]", "dict": "<i4", "u": object, "decimal": object, "b": bool, "g": float}


def _whole(field: Field, parts: list[Any]) -> Any:
    np = package("numpy")
    if any(isinstance(part, np.ma.MaskedArray) for part in parts):
        return np.ma.concatenate(parts)
    return np.concatenate(parts) if parts else np.array([], _DTYPES.get(field.kind, "<i8"))


class Table(Readable):
    """A few rows that were computed and are kept."""

    def __init__(self, batch: Batch, tz: str) -> None:
        self._batch, self.tz = batch, tz

    def fields(self) -> tuple[Field, ...]:
        return self._batch.fields

    def raw_batches(self) -> Iterator[Batch]:
        return iter([self._batch] if len(self._batch) else [])

    def __len__(self) -> int:
        return len(self._batch)

    def rows(self) -> list[dict[str, Any]]:
        """The rows as dictionaries. Times are nanoseconds since 1970 UTC."""
        names = [field.name for field in self._batch.fields]
        columns: Sequence[list[Any]] = [column.values() for column in self._batch.columns]
        return [dict(zip(names, row)) for row in zip(*columns)]

    def __str__(self) -> str:
        return "\n".join(shown.lines(self._batch))

    def _repr_html_(self) -> str:
        return shown.page(self._batch)

    def __repr__(self) -> str:
        if 0 < len(self) <= shown.SHORT:
            return str(self)
        return f"<{len(self)} rows: {', '.join(field.name for field in self._batch.fields)}>"
