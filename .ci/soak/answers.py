"""Who is asked what was known of bars at a time: the database, the Python package, of the database, of the tape
and of recordings, and the command."""

import datetime
import json
import os
import pathlib
import re
import sys
from decimal import Decimal

import psycopg

from stack import NAMES, NAMESPACE, PARTITIONS, ROOT, Failure, Stack
from truth import Key, Row

sys.path.insert(0, str(ROOT / "Sources/Desk/python"))

import tapeline  # noqa: E402

# The package does not learn it from the stack.
os.environ["MDS_PARTITIONS"] = str(PARTITIONS)
SECOND = 1_000_000
MARKET = f"{NAMESPACE}_market"
# A window may be closed so much earlier than its end, so bars of a recording are whole so much later.
AHEAD_SECONDS = 10
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
# The columns that the Python package has, by those of the database.
FRAME = {"ts": "open_time", **{name: name for name in (
    "close_time", "symbol", "source", "series", "number", "open", "high", "low", "close", "vwap", "volume",
    "notional", "trades", "excluded", "is_whole", "is_mixed", "is_filled", "version", "reason", "known_at")}}


def micros(time_of: datetime.datetime) -> int:
    since = time_of - EPOCH
    return (since.days * 86_400 + since.seconds) * SECOND + since.microseconds


def moment(text: str) -> int:
    return micros(datetime.datetime.fromisoformat(text))


def iso(time_of: int) -> str:
    return (EPOCH + datetime.timedelta(microseconds=time_of)).isoformat().replace("+00:00", "Z")


class Question:
    """Bars of one series with a window in [start, end), as they were known at a time; all in microseconds."""

    def __init__(self, name: tuple[str, str, str], time_of: int, start: int, end: int, count: int) -> None:
        self.name, self.time, self.start, self.end, self.count = name, time_of, start, end, count

    def __str__(self) -> str:
        source, symbol, series = self.name
        return f"{symbol} {series} of {source} in [{iso(self.start)}, {iso(self.end)}) as of {iso(self.time)}"


class Raised(Exception):
    """An answer that says that it cannot be known, and why."""


class Database:
    """The function bars_as_of."""

    name = "bars_as_of"

    def __init__(self, stack: Stack) -> None:
        self.session = psycopg.connect(stack.tool("url").stdout.strip(), autocommit=True)

    def ask(self, question: Question, with_uncertain: bool = False) -> dict[Key, Row]:
        source, symbol, series = question.name
        try:
            cursor = self.session.execute(
                f"SELECT * FROM {MARKET}.bars_as_of(%s, %s, %s, %s, %s, %s) WHERE source = %s",
                (iso(question.time), [symbol], series, iso(question.start), iso(question.end), with_uncertain,
                 source))
        except psycopg.Error as error:
            if error.sqlstate == "TL020":
                raise Raised(str(error).splitlines()[0]) from None
            raise
        columns = [column.name for column in cursor.description or ()]
        return {key_of(row): row for row in (
            {name: micros(value) if isinstance(value, datetime.datetime) else value
             for name, value in zip(columns, values)} for values in cursor)}

    def close(self) -> None:
        self.session.close()


def key_of(row: Row) -> Key:
    return row["ts"], row["number"], row["source"]


class Desk:
    """The Python package, as_of of the database."""

    name = "as_of of Python"

    def __init__(self, stack: Stack) -> None:
        self.desk = tapeline.connect(stack.tool("url").stdout.strip())

    def ask(self, question: Question) -> dict[Key, Row]:
        source, symbol, series = question.name
        selection = self.desk.bars(
            symbol, series, question.start * 1_000, question.end * 1_000, as_of=question.time * 1_000,
            source=source, price="decimal", missing="mark")
        found: dict[Key, Row] = {}
        try:
            for batch in selection:
                columns = {ours: batch[theirs] for ours, theirs in FRAME.items()}
                for values in zip(*columns.values()):
                    row = dict(zip(columns, values))
                    for name in ("ts", "close_time", "known_at"):
                        row[name], rest = divmod(row[name], 1_000)
                        if rest:
                            raise Failure(f"{question}: {name} is no microsecond")
                    for name, digits in (("open", 9), ("high", 9), ("low", 9), ("close", 9), ("vwap", 9),
                                         ("volume", 8), ("notional", 17)):
                        if isinstance(row[name], int):
                            row[name] = Decimal(row[name]).scaleb(-digits)
                    found[key_of(row)] = row
        except tapeline.errors.NotKnown as error:
            raise Raised(str(error)) from None
        return found

    def close(self) -> None:
        """Each reading has a session of its own."""


class Tape(Desk):
    """The Python package, as_of of the tape."""

    name = "as_of of the tape"

    def __init__(self, stack: Stack) -> None:
        self.desk = tapeline.connect(tape=True, stack=stack.name, home=ROOT, namespace=NAMESPACE)


class Recording(Desk):
    """The Python package, as_of of a recording: of the bars of all sources of the symbols that its own has."""

    def __init__(self, path: pathlib.Path) -> None:
        self.desk = tapeline.open(path)
        self.name = f"as_of of the recording {path.stem}"
        said = json.loads(path.with_suffix(".json").read_text())
        self.symbols = NAMES[said["source"]]
        begin = said["bars_complete_from"]
        # Windows from here on, as they were known before the end, have to be answered.
        self.start = moment(begin) + AHEAD_SECONDS * SECOND + 1 if begin else 0
        self.end = moment(said["to"])

    def has(self, question: Question) -> bool:
        return question.name[1] in self.symbols

    def knows(self, question: Question) -> bool:
        return self.start <= question.start and question.time < self.end


class Command:
    """tapeline bars --as-of --json: the newest bars that were known."""

    name = "tapeline bars"

    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    def ask(self, question: Question) -> dict[Key, Row]:
        source, symbol, series = question.name
        done = self.stack.tool(
            "bars", symbol, series, "--source", source, "--as-of", iso(question.time), "--last",
            str(question.count), "--json", check=False)
        if done.returncode != 0:
            said = done.stderr.strip()
            if re.search("is not certain: |are not stored|up to .* only$", said):
                raise Raised(said)
            raise Failure(f"{question}: {said}")
        found: dict[Key, Row] = {}
        for line in done.stdout.splitlines():
            row = json.loads(line, parse_float=Decimal)
            for name in ("ts", "close_time", "known_at"):
                row[name] = moment(row[name])
            found[key_of(row)] = row
        return found

    def close(self) -> None:
        """Each question is a process of its own."""
