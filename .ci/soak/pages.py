#!/usr/bin/env python3
"""Shows what the cockpit costs while many look at it: `make soak NAME=pages`.

    pages.py PROGRAMS [--seed N] [--seconds N] [--clients N] [--symbols N] [--keep]

A local stack of its own (.local/stack/pages, namespace `soak`) has gateways with so many synthetic symbols together,
1,250 each, and a cockpit that asks them. It prints, and judges:

- what of a core the cockpit takes while nobody looks (2 %), and with clients that have the events of a page open and
  ask for its document ten times a second, five times as often as there is anything new (10 %), and whether its memory
  grows;
- how much more of a core all services together take while those clients look than while nobody does, in turns (3 %);
- the bytes a second of one page of each kind, asked with each event and packed by gzip, as a browser does (16 kB);
- whether a task of a page in a real browser ever took more than 50 ms of the processor. The time by the clock, which
  includes the waiting for other processes, is printed beside it.

Shares of a core are of the machine it runs on, so they are in no test. Run it on a machine that does nothing else.
"""

import argparse
import asyncio
import itertools
import json
import os
import pathlib
import sys
import time
import urllib.request
import zlib
from collections.abc import Callable
from typing import Any

from stack import Failure, Stack, eventually, free_port, run, say

# The symbols of a gateway, and those of them that its setting has room for. The others are added by a person.
SYMBOLS_MAX, SYMBOLS_OF_SETTING = 1_250, 256
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
PAGES = {"./": "", "gaps": "gaps.json", "partitions": "partitions.json", "store": "store.json",
         "feeds": "feeds.json", "dead": "dead.json", "alerts": "alerts.json", "actions": "actions.json"}
CHROMIUM = "/usr/bin/chromium-headless-shell"
HERTZ = 10
# A browser's script may not be busy for longer without a pause.
TASK_MILLISECONDS = 50
SECONDS_OF_PAGE = 15
# What is judged.
CORE_SHARE, IDLE_SHARE, BYTES_A_SECOND, GROWTH, EVENTS_A_SECOND = 0.10, 0.02, 16_384, 1.15, 1.8
# What of a core all services together may take more while many look.
SERVICES_SHARE = 0.03


class PagesStack(Stack):
    """A stack with gateways of many symbols beside its own one, and a cockpit that asks them all."""

    def make(self) -> None:
        self.remove()
        self.up(settings={"SYNTHETIC_RATE": "100", "SYNTHETIC_SYMBOLS": "SPY"})
        symbols = ["".join(letters) for letters in itertools.islice(
            itertools.product(LETTERS, repeat=3), self.options.symbols)]
        pages = []
        for begin in range(0, len(symbols), SYMBOLS_MAX):
            name, port = f"made-{begin // SYMBOLS_MAX}", free_port()
            pages.append(f"127.0.0.1:{port}")
            self.beside("provider-gateway", name, "provider-gateway", OPS_PORT=str(port), GATEWAY_SOURCE=name, SYNTHETIC_RATE="200",
                        SYNTHETIC_SYMBOLS=",".join(symbols[begin:begin + SYMBOLS_OF_SETTING]))
            eventually(f"{name} takes ticks", lambda: self.newest(pages[-1]) > 0)
            more = symbols[begin + SYMBOLS_OF_SETTING:begin + SYMBOLS_MAX]
            if more:
                words = ("watchlist", "add", *more, "--source", name, "--note", "for the soak")
                # Its gateway says a moment later that it has a list.
                eventually(f"{name} has more", lambda: self.tool(*words, check=False).returncode == 0)
        self.port = free_port()
        asked = self.environment_of("cockpit")["COCKPIT_SERVICES"]
        self.beside("cockpit", "looked-at", "cockpit", OPS_PORT="0", COCKPIT_PORT=str(self.port),
                    COCKPIT_SERVICES=",".join([asked, *pages]))
        eventually("all instruments are known", lambda: sum(map(self.newest, pages)) == len(symbols))

    def newest(self, page: str) -> int:
        with urllib.request.urlopen(f"http://{page}/status", timeout=5) as answer:
            return int(json.load(answer)["gateway"]["newest"]["instruments"])

    @property
    def cockpit(self) -> int:
        return self.own["looked-at"].pid

    @property
    def services(self) -> list[int]:
        """The processes that ticks go through, without servers."""
        parts = ("provider-gateway", "operator-worker", "store-writer")
        return ([each["process"]["id"] for each in self.units() if each["name"].startswith(parts)]
                + [process.pid for name, process in self.own.items() if name.startswith("made-")])


def processor_seconds(pid: int) -> float:
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / float(os.sysconf("SC_CLK_TCK"))


def resident(pid: int) -> int:
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Client:
    """One page that is open: its events, and its document when it is asked for."""

    def __init__(self, port: int, document: str) -> None:
        self.port, self.document = port, document
        self.bytes = self.events = self.answers = 0
        self.tag = ""
        self.came = asyncio.Event()

    async def hear(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(b"GET /events HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            if b"Content-Encoding: gzip" not in head:
                raise Failure(f"the events are not packed: {head!r}")
            self.bytes += len(head)
            unpack = zlib.decompressobj(31)
            # The server sends pieces, each with its length before it.
            while size := int(await reader.readline() or b"0", 16):
                piece = await reader.readexactly(size + 2)
                self.bytes += size + 8
                count = unpack.decompress(piece[:-2]).count(b"\ndata: ")
                self.events += count
                if count:
                    self.came.set()
        finally:
            writer.close()

    async def ask(self, hertz: float) -> None:
        """Asks so often; 0: with each event."""
        if not self.document:
            return
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            due = time.monotonic()
            while True:
                if hertz:
                    due += 1 / hertz
                    await asyncio.sleep(max(0.0, due - time.monotonic()))
                else:
                    await self.came.wait()
                    self.came.clear()
                known = f"If-None-Match: {self.tag}\r\n" if self.tag else ""
                writer.write(f"GET /{self.document} HTTP/1.1\r\nHost: localhost\r\n"
                             f"Accept-Encoding: gzip\r\n{known}\r\n".encode())
                head = await reader.readuntil(b"\r\n\r\n")
                lines = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:] if ": " in line)
                body = int(lines.get("Content-Length", 0)) if b" 304 " not in head[:20] else 0
                await reader.readexactly(body)
                if b" 200 " not in head[:20] and b" 304 " not in head[:20]:
                    raise Failure(f"{self.document}: {head[:40]!r}")
                self.tag = lines.get("ETag", self.tag)
                self.bytes += len(head) + body
                self.answers += 1
        finally:
            writer.close()


async def look(port: int, documents: list[str], hertz: float, seconds: float) -> list[Client]:
    clients = [Client(port, document) for document in documents]
    tasks = [asyncio.create_task(part) for each in clients for part in (each.hear(), each.ask(hertz))]
    done, open_ones = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
    for task in open_ones:
        task.cancel()
    await asyncio.gather(*open_ones, return_exceptions=True)
    for task in done:
        task.result()
    return clients


def share(stack: PagesStack, what: str, action: Callable[[], Any]) -> tuple[float, Any]:
    """What of a core the cockpit takes while something goes on, and what that returns."""
    pid = stack.cockpit
    before, begun = processor_seconds(pid), time.monotonic()
    result = action()
    used = (processor_seconds(pid) - before) / (time.monotonic() - begun)
    say(f"{what}: {used:.1%} of a core, {resident(pid) / 2**20:.0f} MiB")
    return used, result


def services_share(stack: PagesStack, action: Callable[[], Any]) -> float:
    """What of a core the services take together while something goes on."""
    pids = stack.services
    before, begun = sum(map(processor_seconds, pids)), time.monotonic()
    action()
    return (sum(map(processor_seconds, pids)) - before) / (time.monotonic() - begun)


def services(stack: PagesStack, problems: list[str], documents: list[str], seconds: float) -> None:
    """Compares what the services take while many look with what they take while nobody does, in turns."""
    alone, looked = [], []
    for _ in range(2):
        time.sleep(3)
        alone.append(services_share(stack, lambda: time.sleep(seconds)))
        looked.append(services_share(stack, lambda: asyncio.run(look(stack.port, documents, HERTZ, seconds))))
    more = (sum(looked) - sum(alone)) / 2
    say(f"the services take {', '.join(f'{each:.2%}' for each in alone)} of a core while nobody looks, "
        f"{', '.join(f'{each:.2%}' for each in looked)} with {len(documents)} clients: {more:.2%} more")
    judge(problems, more < SERVICES_SHARE, f"the services take {more:.1%} of a core more while many look")


def judge(problems: list[str], holds: bool, problem: str) -> None:
    if not holds:
        problems.append(problem)


def main_tasks(trace: bytes) -> list[dict[str, Any]]:
    """The tasks of the page's own thread, with `dur` by the clock and `tdur` of the processor, in microseconds."""
    events = json.loads(trace)["traceEvents"]
    own = {(event["pid"], event["tid"]) for event in events
           if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"}
    return [event for event in events
            if event["name"] == "ThreadControllerImpl::RunTask" and (event["pid"], event["tid"]) in own]


def browse(stack: PagesStack, problems: list[str]) -> None:
    """Opens each page in a real browser, and asks how long its script was busy at a time.

    What counts is the time of the processor: many processes share this machine with the browser, and a task that waits
    for them is not busy.
    """
    if not pathlib.Path(CHROMIUM).exists():
        raise Failure(f"{CHROMIUM} is missing: deploy/local/prerequisites.sh --tests installs it")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for path in PAGES:
            page = browser.new_page()
            browser.start_tracing(page=page, categories=["toplevel", "__metadata"])
            page.goto(f"http://127.0.0.1:{stack.port}/{path.removeprefix('./')}")
            page.wait_for_timeout(SECONDS_OF_PAGE * 1_000)
            tasks = main_tasks(browser.stop_tracing())
            busy, passed = (max((task.get(name, 0) for task in tasks), default=0) / 1_000 for name in ("tdur", "dur"))
            say(f"{path}: the longest of {len(tasks)} tasks took {busy:.0f} ms, by the clock one {passed:.0f} ms")
            judge(problems, busy > 0, f"{path}: no task was traced")
            judge(problems, busy <= TASK_MILLISECONDS, f"{path}: the script was busy for {busy:.0f} ms")
            page.close()
        browser.close()


def soak(stack: Any, options: argparse.Namespace) -> None:
    assert isinstance(stack, PagesStack)
    problems: list[str] = []
    # What a start costs is no cost of looking.
    eventually("the cockpit is idle",
               lambda: share(stack, "after the start", lambda: time.sleep(5))[0] < IDLE_SHARE, 120)
    idle, _ = share(stack, "nobody looks", lambda: time.sleep(options.seconds))
    judge(problems, idle < IDLE_SHARE, f"{idle:.1%} of a core while nobody looks")

    documents = [list(PAGES.values())[number % len(PAGES)] for number in range(options.clients)]
    pid = stack.cockpit
    # The first look of each question takes memory that stays.
    asyncio.run(look(stack.port, documents, HERTZ, 10))
    # The server notices a moment later that these have left.
    time.sleep(3)
    room = resident(pid)
    used, clients = share(
        stack, f"{options.clients} clients at {HERTZ} Hz",
        lambda: asyncio.run(look(stack.port, documents, HERTZ, options.seconds)))
    answers = sum(each.answers for each in clients) / options.seconds
    events = sum(each.events for each in clients) / options.seconds
    say(f"{answers:.0f} documents and {events:.0f} events a second")
    judge(problems, events > EVENTS_A_SECOND * options.clients, f"only {events:.0f} events a second")
    judge(problems, used < CORE_SHARE, f"{used:.1%} of a core with {options.clients} clients")
    judge(problems, resident(pid) < room * GROWTH,
          f"the memory grew from {room >> 20} to {resident(pid) >> 20} MiB")

    services(stack, problems, documents, options.seconds)
    for path, document in PAGES.items():
        client = asyncio.run(look(stack.port, [document], 0, SECONDS_OF_PAGE))[0]
        rate = client.bytes / SECONDS_OF_PAGE
        say(f"{path}: {rate / 1_000:.1f} kB a second")
        judge(problems, rate <= BYTES_A_SECOND, f"{path}: {rate:.0f} bytes a second")
    browse(stack, problems)
    if problems:
        raise Failure("; ".join(problems))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--symbols", type=int, default=10_000)
    return run(parser, "pages", soak, PagesStack)


if __name__ == "__main__":
    sys.exit(main())
