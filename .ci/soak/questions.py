#!/usr/bin/env python3
"""Asks the cockpit its five questions while faults are on: `make soak NAME=questions`.

    questions.py PROGRAMS [--seed N] [--keep]

Is everything being recorded, what is missing, what fails next, which bars have changed, may I restart this? A local
stack of its own (.local/stack/questions) has the simulated broker. A person, who is this script, reads the pages in a
real browser, by role and by visible text alone, and answers in words. Processes hang one after another, and the
broker loses its link, in an order that follows from the seed; at last a trade is cancelled, and the clock of a second
cockpit stops. What is true is written down before the person looks. Each answer has to agree with it within 30 s, and
the time that it took is printed. Before the first fault all questions are asked of the healthy stack, and after each
fault whether all is recorded again.
"""

import argparse
import os
import pathlib
import random
import re
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from stack import Failure, Stack, eventually, free_port, run, say

CHROMIUM = "/usr/bin/chromium-headless-shell"
# An answer that takes a person longer is none.
PATIENCE = 30.0
SYMBOL, SERIES, SOURCE = "SPY", "5s", "ibkr"
# What Store says when rows wait, or nobody knows.
NOT_WRITTEN = "^(Not known|[0-9]+ writers (do not reach|have rows that are late))"
TABLE_OF_BARS = re.compile("^Bars with their versions")


class QuestionsStack(Stack):
    """A stack with the simulated broker alone."""

    def make(self) -> None:
        # The user of actions may publish on the subjects of this namespace.
        self.settings["MDS_NAMESPACE"] = self.environment["MDS_NAMESPACE"] = "md"
        self.remove()
        self.up("--simulator", settings={"SIMULATOR_RATE": "20", "SIMULATOR_SEED": str(self.seed)})

    def hang(self, unit: str) -> Callable[[], None]:
        """Stops a process with all below it, and returns what lets it go on."""
        stopped: list[int] = []

        def stop(process: int) -> None:
            # A process that is stopped begins no other one, so it goes before those below it.
            try:
                os.kill(process, signal.SIGSTOP)
                stopped.append(process)
                below = pathlib.Path(f"/proc/{process}/task/{process}/children").read_text().split()
            except (ProcessLookupError, FileNotFoundError):
                return  # A session of the database ended meanwhile.
            for child in below:
                stop(int(child))

        def go_on() -> None:
            for process in reversed(stopped):
                try:
                    os.kill(process, signal.SIGCONT)
                except ProcessLookupError:
                    pass
        stop(self.unit(unit))
        return go_on

    def start_cockpit(self) -> int:
        """Starts a second cockpit, whose clock the file `clock` sets. Returns the port of its pages."""
        port = free_port()
        self.clock(0)
        self.beside("cockpit", "cockpit-beside", "cockpit", OPS_PORT="0", COCKPIT_PORT=str(port), **self.faketime())
        eventually("the second cockpit listens", lambda: socket.create_connection(("127.0.0.1", port), 1).close() is None)
        return port

    def freeze_clock(self) -> None:
        """The clock of the day stands, and the monotonic one goes on."""
        new = self.home / "clock.new"
        new.write_text(time.strftime("%Y-%m-%d %H:%M:%S\n"))
        new.rename(self.home / "clock")

    def one(self, sql: str) -> str:
        found: str = eventually(f"a row of: {sql}", lambda: self.query(sql))
        return found.splitlines()[0]


# --- the person


class Person:
    """Answers each question in words, by what stands on the pages."""

    def __init__(self, page: Any, base: str, token: str) -> None:
        self.page, self.base = page, base
        page.set_default_timeout(PATIENCE * 1_000)
        page.goto(base + "actions")
        page.get_by_label("Your token").fill(token)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_text(re.compile("^You are ")).wait_for()

    def open(self, name: str) -> None:
        if not self.page.get_by_role("heading", name=name, level=1).count():
            self.page.get_by_role("link", name=name, exact=True).click()
            self.page.get_by_role("heading", name=name, level=1).wait_for()

    def rows(self, table: Any) -> list[list[str]]:
        found = self.page.get_by_role("table", name=table).evaluate(
            "table => [...table.tBodies[0].rows].map(row => [...row.cells].map(cell => cell.innerText))")
        return [list(row) for row in found]

    def words(self, region: str) -> str:
        """The first sentence under a heading, once there is news."""
        words = str(self.page.get_by_role("region", name=region).get_by_role("paragraph").first.inner_text())
        if "waiting for the first news" in words:
            raise Failure("the page waits for news")
        return words

    def is_recorded(self) -> str:
        self.open("Overview")
        lines = self.page.get_by_role("region", name="Is all well?").get_by_role("listitem").all_inner_texts()
        return "yes" if [line[:8] for line in lines] == ["ALL GOOD"] else "no: " + "; ".join(lines)

    def is_missing(self) -> str:
        self.open("Gaps")
        words = self.words("What is missing?")
        if words == "Nothing is missing.":
            return "nothing"
        lines = [f"{row[0]} {row[1]} of {row[2]} from {row[3]} to {row[4]}, {row[6]}: {row[7]}"
                 for row in self.rows(re.compile("^Stretches of time"))]
        return f"{words} " + "; ".join(lines)

    def falls_over(self) -> str:
        """What waits, what does not answer, and when the room ends."""
        self.open("Store")
        return " ".join(map(self.words, ("Is everything written?", "Is there room?")))

    def changed(self) -> str:
        """The bars that have more than one version, with the reason of the last one."""
        self.open("Chart")
        which = self.page.get_by_text(re.compile(f"{SYMBOL} {SERIES} of {SOURCE}"))
        if not which.count():
            self.page.get_by_label("Symbol", exact=True).fill(SYMBOL)
            for label, value in (("Series", SERIES), ("Source", SOURCE)):
                self.page.get_by_label(label, exact=True).select_option(value)
            self.page.get_by_role("button", name="Show").click()
            which.first.wait_for()
            self.page.get_by_role("table", name=TABLE_OF_BARS).get_by_role("link").first.wait_for()
        bars = [f"{row[0]} has version {number} because of {row[8]}" for row in self.rows(TABLE_OF_BARS)
                if (number := int("".join(filter(str.isdigit, row[7])) or 1)) > 1]
        return "; ".join(bars) or "none"

    def may_restart(self, subject: str) -> str:
        self.open("Actions")
        self.page.get_by_label("Name of a process or of a group").fill(subject)
        self.page.get_by_role("button", name="Ask", exact=True).click()
        answer = self.page.get_by_role("status").filter(has_text=re.compile("(YES|NO): ")).first
        answer.wait_for()
        return re.sub(r"^.*?(?=(?:YES|NO): )", "", str(answer.inner_text()), flags=re.DOTALL)


# --- the truth


@dataclass
class Truth:
    """A fault that begins now, and the answers that are right then."""

    what: str
    begin: Callable[[], Any]
    # The question, and what its answer has to have in it.
    answers: dict[str, str]
    end: Callable[[], None] = lambda: None
    after: dict[str, str] = field(default_factory=dict)


class Log:
    """All that was true, and what the person said of it."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.wrong: list[str] = []
        self.asked = 0

    def ask(self, what: str, answers: dict[str, str]) -> None:
        for question, right in answers.items():
            name, _, subject = question.partition(" ")
            begun, said = time.monotonic(), ""
            self.asked += 1
            while True:
                try:
                    said = getattr(self.person, name)(*([subject] if subject else []))
                except Exception as failure:  # A row went while it was read, or the page says nothing.
                    said = f"(no answer: {str(failure).splitlines()[0]})"
                took = time.monotonic() - begun
                if re.search(right, said) or took > PATIENCE:
                    break
                time.sleep(0.1)
            is_right = bool(re.search(right, said)) and took <= PATIENCE
            say(f"{'✔' if is_right else '✘'} {what} | {question}: {said[:300]} ({took:.1f} s)")
            if not is_right:
                self.wrong.append(f"{what}: {question}: '{said[:200]}', and not '{right}'")

    def write(self, truth: Truth) -> None:
        say(f"truth: {truth.what}")
        truth.begin()
        try:
            self.ask(truth.what, truth.answers)
        finally:
            truth.end()
        self.ask(f"after: {truth.what}", truth.after)


def held(stack: QuestionsStack, unit: str) -> tuple[Callable[[], None], Callable[[], None]]:
    """Begins and ends the hang of a process."""
    go_on: list[Callable[[], None]] = []
    return (lambda: go_on.append(stack.hang(unit)), lambda: go_on.pop()())


def hanging(stack: QuestionsStack, unit: str, **answers: str) -> Truth:
    begin, end = held(stack, unit)
    right = {name.replace("_of_", " "): words for name, words in answers.items()}
    return Truth(f"{unit} hangs", begin, right, end, {"is_recorded": "^yes$"})


def truths(stack: QuestionsStack) -> list[Truth]:
    """The faults, with the answers that follow from each."""
    begin, end = held(stack, "operator-worker-b")
    return [
        hanging(stack, "provider-gateway", is_recorded="SOURCE ibkr"),
        hanging(stack, "store-writer", is_recorded="(?i)writer", falls_over=NOT_WRITTEN),
        hanging(stack, "postgres", is_recorded="(?i)database", falls_over=NOT_WRITTEN),
        hanging(stack, "nats-server", is_recorded="(?i)NATS"),
        Truth("one of two workers hangs", begin, {
            "is_recorded": "operator-worker-b", "may_restart operator-worker-a": "^NO: "}, end,
            {"is_recorded": "^yes$", "may_restart operator-worker-a": "^YES: "}),
        Truth("the broker has lost its link to the exchanges", lambda: stack.simulator("lost"), {
            "is_recorded": "^no: .*(ibkr|SPY)", "is_missing": f"{SYMBOL} .* of {SOURCE} .* to lasts"},
            lambda: stack.simulator("restored lose"),
            {"is_recorded": "^yes$", "is_missing": "^nothing$|[1-9][0-9]* never will be"}),
    ]


def bust(stack: QuestionsStack, log: Log) -> None:
    """A trade is cancelled: the bar of its time, and no other one, gets another version for that."""
    address, bar = stack.one(
        "SELECT tick_id || ' ' || to_char(time_bucket('5 s', ts), 'YYYY-MM-DD\"T\"HH24:MI:SS') FROM md_market.trades"
        f" WHERE symbol = '{SYMBOL}' AND action = 'new' AND source = '{SOURCE}'"
        " AND ts BETWEEN now() - interval '40 s' AND now() - interval '12 s' ORDER BY ts DESC LIMIT 1").split(" ")
    truth = Truth(
        f"the trade {address} is cancelled", lambda: stack.tool(
            "trade", "cancel", address, "--note", "a mistake", "--yes", "--wait"),
        {"changed": f"{bar}[^;]* because of bust", "is_recorded": "^yes$"})
    log.write(truth)


def frozen(stack: QuestionsStack, browser: Any, token: str, log: Log) -> None:
    """The clock of a cockpit stands, and nothing on its pages may look alive."""
    base = f"http://127.0.0.1:{stack.start_cockpit()}/"
    usual = log.person
    log.person = Person(browser.new_page(), base, token)
    log.ask("a second cockpit", {"is_recorded": "^yes$"})
    log.write(Truth(
        "the cockpit's clock stands", stack.freeze_clock, {"is_recorded": "^no: NOT KNOWN: the server's clock"},
        lambda: stack.clock(0), {"is_recorded": "^yes$"}))
    log.person = usual
    stack.end("cockpit-beside")


def soak(stack: Any, options: argparse.Namespace) -> None:
    assert isinstance(stack, QuestionsStack)
    if not pathlib.Path(CHROMIUM).exists():
        raise Failure(f"{CHROMIUM} is missing: deploy/local/prerequisites.sh --tests installs it")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        base = f"http://127.0.0.1:{stack.ports['cockpitPages']}/"
        token = (stack.home / "secrets/cockpit-token").read_text().strip()
        log = Log(Person(page, base, token))
        healthy = {
            "is_recorded": "^yes$", "is_missing": "^nothing$", "falls_over": "nothing is late",
            "changed": "^(none|.* has version)", "may_restart operator-worker-a": "^YES: ",
            "may_restart store-writer": "(?s)^NO: .*nobody of store can take over"}
        log.ask("nothing is wrong", healthy)
        stories = truths(stack)
        random.Random(options.seed).shuffle(stories)
        for truth in stories:
            log.write(truth)
        bust(stack, log)
        frozen(stack, browser, token, log)
        browser.close()
    say(f"{log.asked} answers, {len(log.wrong)} of them wrong")
    if log.wrong:
        raise Failure("; ".join(log.wrong))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    return run(parser, "questions", soak, QuestionsStack)


if __name__ == "__main__":
    sys.exit(main())
