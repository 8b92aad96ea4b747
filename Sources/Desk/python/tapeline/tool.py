"""The product's own tool, `tapeline`, as a program that is asked: what explains and proves bars."""

from __future__ import annotations

import collections
import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from .database import Database
from .errors import NotReachable, TapelineError

TIME_LIMIT = 600.0
"""Seconds after which the tool is ended."""

LINES_SHOWN = 20
"""How many disagreements of ticks a text shows. The answer itself has all."""

BARS_SHOWN = 10
"""How many bars that differ a text shows, of the tables and of the tape each. The answer has the first 1,000."""

_OUTCOMES = {0: "proven", 1: "differs", 2: "incomplete"}


class Answer(Mapping[str, Any]):
    """What the tool answered, as its JSON has it: `answer["ticks"]`. Prices and sizes are texts with all
    digits. `outcome`: "proven"; "differs" (bars are not what their ticks make); or "incomplete" (not all
    could be checked, and what could be is right)."""

    def __init__(self, answer: dict[str, Any], outcome: str) -> None:
        self._answer, self.outcome = answer, outcome

    def __getitem__(self, name: str) -> Any:
        return self._answer[name]

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self._answer)

    def __len__(self) -> int:
        return len(self._answer)


class Explanation(Answer):
    """One bar with every tick of its window, and why it counts or not (`Desk.explain`)."""

    def __repr__(self) -> str:
        bar = self["bar"]
        lines = [f"{self['symbol']} {self['series']} of {self['source']}, {self['open_time']} to"
                 f" {self['close_time']}: {self.outcome}"]
        if bar is None:
            lines.append("  no bar is stored")
        else:
            names = ("open", "high", "low", "close", "volume", "trades")
            lines.append("  " + " ".join(f"{name} {bar[name]}" for name in names)
                         + ("" if bar["is_whole"] else ", not whole"))
        for version in self["versions"]:
            known = version.get("known_at")
            lines.append(f"  version {version['number']}: {version['reason']}, {version['trades']} trades"
                         + (f", known at {known}" if known else "") + f", ordinal {version['revision']}")
        verdicts = collections.Counter(tick["verdict"] for tick in self["ticks"])
        told = ", ".join(f"{count} {name}" for name, count in verdicts.most_common())
        lines.append(f"  {len(self['ticks'])} ticks from the {self['ticks_from']}: {told or 'none'}")
        lines += _shown([
            *(f"{tick['tick_id']}: {remark}" for tick in self["ticks"] for remark in tick["remarks"]),
            *(f"{tick_id} is only in the tables" for tick_id in self["only_in_tables"]),
        ])
        lines += [f"  gap of {gap['kind']} from {gap['from_time']} to {gap['to_time']}: {gap['reason']},"
                  f" {gap['state']}" for gap in self["gaps"]]
        lines += [f"  {one['source']} began to get it from {one['provider']}, or asked for it again, at"
                  f" {one['time']}: ticks from before may be missing" for one in self["feed_starts"]]
        lines += [f"  {fault}" for fault in self["gap_faults"]]
        for place, proof in self["proof"].items():
            lines.append(f"  from the {place}: {proof['outcome']}")
            lines += _fields(proof.get("fields", ()))
        return "\n".join(lines)


class Proof(Answer):
    """Bars that were computed again from their stored ticks, and compared (`Desk.prove`)."""

    def __repr__(self) -> str:
        lines = [f"{self.outcome}: {self['ticks_read']} ticks read"]
        for place in ("tables", "tape"):
            found = self[place]
            if found is None:
                continue
            lines.append(
                f"  from the {place}: {found['equal']} bars equal, {found['differing']} differing,"
                f" {found['missing']} missing, {found['extra']} extra, {found['not_over']} not over yet")
            for bar in found["bars"][:BARS_SHOWN]:
                lines.append(f"    {bar['kind']} {bar['symbol']} {bar['series']} of {bar['source']},"
                             f" {bar['open_time']}")
                lines += _fields(bar["fields"])
            more = found["differing"] + found["missing"] + found["extra"] - BARS_SHOWN
            lines += [f"    and {more} more"] if more > 0 else []
        for key, told in (("values", "values"), ("over_all", "values over all partitions")):
            if not (found := self.get(key)):
                continue
            lines.append(f"  {told}: {found['equal']} equal, {found['differing']} differing,"
                         f" {found['missing']} missing, {found['extra']} extra, {found['not_checked']} not checked")
            lines += _shown([f"{one['kind']} {one['symbol'] or 'all'} {one['name']} of {one['source'] or 'all'}: stored"
                             f" {one['stored']}, computed {one['computed']}" for one in found["values"]])
        lines += [f"  partition {cut['partition']}: the tape has no more {cut['from']} to {cut['to']}"
                  for cut in self["not_on_tape"]]
        return "\n".join(lines)


def _shown(lines: Sequence[str]) -> list[str]:
    more = len(lines) - LINES_SHOWN
    return [f"  {line}" for line in lines[:LINES_SHOWN]] + ([f"  and {more} more"] if more > 0 else [])


def _fields(fields: Sequence[Mapping[str, Any]]) -> list[str]:
    return [f"      {one['name']}: stored {one['stored']}, computed {one['computed']}" for one in fields]


def ask(origin: object, words: Sequence[str], time_limit: float) -> tuple[dict[str, Any], str]:
    """Runs the tool on the servers of a desk. Returns its JSON and what it means."""
    if not isinstance(origin, Database):
        raise TapelineError("bars are explained and proven on a database: make the desk by connect()")
    program = _program(origin)
    arguments, environment = _target(origin)
    command = [program, *words, "--json", *arguments]
    try:
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=time_limit)
    except subprocess.TimeoutExpired:
        raise TapelineError(
            f"'tapeline {words[0]}' took more than {time_limit:g} s and was ended: ask for less time, or give"
            " time_limit="
        ) from None
    except (OSError, ValueError) as error:
        raise NotReachable(f"{program} cannot be run: {error}") from None
    said = [line.strip() for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or done.returncode not in _OUTCOMES:
        told = said[-1].removeprefix("tapeline: ") if said else f"it ended with the status {done.returncode}"
        raise TapelineError(f"'tapeline {words[0]}' cannot answer: {_without(told, environment)}")
    return answer, _OUTCOMES[done.returncode]


def _without(text: str, environment: Mapping[str, str]) -> str:
    """Returns a text in which no password is."""
    for name, value in environment.items():
        if "PASSWORD" in name and value:
            text = text.replace(value, "***")
    return text


def _program(origin: Database) -> str:
    """Returns the tool of the stack, or the one on the PATH."""
    place = origin.stack
    own = [] if place is None else [place.program]
    if place is not None and place.home:
        own.append(os.path.join(place.home, ".build", "release", "tapeline"))
    for path in [*own, shutil.which("tapeline")]:
        if path and os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    where = "the PATH" if place is None or not place.home else f"{place.home}/.build/release or the PATH"
    raise NotReachable(
        f"the program tapeline, which explains and proves bars, is not in {where}: run 'pip install"
        " tapeline[stack]', or 'make programs' in a checkout, and put its .build/release on the PATH"
    )


def _target(origin: Database) -> tuple[list[str], dict[str, str]]:
    """Returns the arguments and the environment that name the servers. Passwords are only in the
    environment of the tool."""
    environment = {**os.environ, "MDS_NAMESPACE": origin.namespace}
    if origin.stack is not None:
        home = ["--home", origin.stack.home] if origin.stack.home else []
        return [*home, "--name", origin.stack.name], environment
    if not environment.get("NATS_URL"):
        raise TapelineError(
            "explaining and proving bars needs the tape, too, and nothing names it: set NATS_URL (with"
            " NATS_USER and NATS_PASSWORD) to the server of this database's tape"
        )
    environment = {name: value for name, value in environment.items() if not name.startswith("POSTGRES_")}
    with origin.snapshot() as snapshot:
        environment.update(snapshot.address())
    return [], environment
