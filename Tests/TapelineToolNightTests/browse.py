"""browse.py URL CHROMIUM STATE: looks at a running cockpit as a person does, in a real browser.

It finds things by role and visible text alone. STATE is the file of a local stack with the ids of its processes, which
are stopped for a moment one after another: whatever then looks alive for longer than it may is reported. One line of
JSON per finding; the exit code is 1 if one of them is bad.
"""
import json
import os
import pathlib
import re
import signal
import socket
import sys
import threading
import time
from urllib.parse import urlparse

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Error, sync_playwright

# Well above the 3 s that the pages promise: a busy machine delays this script as well as the pages.
PATIENCE = 20.0
PROMISED = 3.0
# A browser reports these itself when a link is cut on purpose.
EXPECTED = re.compile(r"net::ERR_")


class Link:
    """A proxy between browser and cockpit that can be held, as a network that swallows everything."""

    def __init__(self, port):
        self.target = port
        self.held = threading.Event()
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.server.accept()
            remote = socket.create_connection(("127.0.0.1", self.target))
            for one, other in ((client, remote), (remote, client)):
                threading.Thread(target=self.pump, args=(one, other), daemon=True).start()

    def pump(self, one, other):
        try:
            while piece := one.recv(65536):
                while self.held.is_set():
                    time.sleep(0.02)
                other.sendall(piece)
        except OSError:
            pass
        for end in (one, other):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Browse:
    def __init__(self, page):
        self.page = page
        self.bad = 0
        self.lock = threading.Lock()

    def say(self, what, good, **more):
        with self.lock:
            self.bad += not good
            print(json.dumps({"what": what, "good": bool(good), **more}), flush=True)

    def verdict(self):
        items = self.page.get_by_role("region", name="Is all well?").get_by_role("listitem")
        return items.all_inner_texts()

    def cells(self, table, row):
        rows = self.page.get_by_role("table", name=table).get_by_role("row").filter(has_text=row)
        return rows.first.get_by_role("cell").all_inner_texts() if rows.count() else []

    def wait(self, condition):
        begun = time.monotonic()
        while time.monotonic() - begun < PATIENCE:
            try:
                if condition():
                    return time.monotonic() - begun
            except Exception:  # A row went while it was read.
                pass
            time.sleep(0.05)
        return None

    def is_well(self):
        lines = self.verdict()
        return len(lines) == 1 and lines[0].startswith("ALL GOOD")

    def expect_well(self, when):
        took = self.wait(self.is_well)
        self.say(f"all is well {when}", took is not None, seconds=took, verdict=self.verdict())

    def fault(self, name, begin, end, is_seen):
        """Something dies: for how long does the page look alive?"""
        begin()
        try:
            took = self.wait(lambda: not self.is_well() and is_seen())
            good = took is not None
            self.say(name, good, seconds=took, promised=PROMISED, verdict=self.verdict())
        finally:
            end()
        self.expect_well(f"after: {name}")


def tree(pid):
    """The process and all below it: a database has one for each session."""
    found = [pid]
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, ValueError):
                continue
            if parent == pid:
                found += tree(int(entry.name))
    return found


def stopper(pid):
    stopped = []

    def stop():
        stopped.extend(tree(pid))
        for one in stopped:
            os.kill(one, signal.SIGSTOP)

    def go():
        for one in reversed(stopped):
            try:
                os.kill(one, signal.SIGCONT)
            except ProcessLookupError:
                pass

    return stop, go


def watch(page, log):
    page.on("console", lambda message: log.append(message.text)
            if message.type in ("error", "warning") and not EXPECTED.search(message.text) else None)
    page.on("pageerror", lambda error: log.append(str(error)))


def packets(page):
    """Asks for packets of a symbol, as a person does. Whatever is asked stays there."""
    if not page.get_by_role("heading", name=re.compile("^Packet ")).count():
        page.get_by_label("Symbol", exact=True).fill("META")
        page.get_by_role("button", name="Show").click()
    return page.get_by_role("heading", name=re.compile("^Packet "))


def latest(page):
    """The last trade of a symbol is asked for by name."""
    if not page.get_by_role("rowheader", name="META").count():
        page.get_by_label("Symbols").fill("META")
        page.get_by_role("button", name="Show").click()
    return page.get_by_role("rowheader", name="META").first


def answer(page):
    """A question to the database is one of those to begin with."""
    if not page.get_by_text(re.compile("rows in ")).count():
        page.get_by_label("Questions to begin with").select_option(label="What was the last price of each symbol?")
        page.get_by_role("button", name="Ask", exact=True).click()
    return page.get_by_role("cell", name="META")


# What each page shows once it has news, by role.
PAGES = {
    "Overview": lambda page: page.get_by_role("cell", name="flows"),
    "Gaps": lambda page: page.get_by_text("Nothing is missing."),
    "Partitions": lambda page: page.get_by_role("cell", name=re.compile("● operator-worker")),
    "Store": lambda page: page.get_by_role("cell", name="● closed"),
    "Feeds": lambda page: page.get_by_role("cell", name=re.compile("● .*: ticks come")),
    "Alerts": lambda page: page.get_by_text("No Prometheus is named"),
    "Chart": lambda page: page.get_by_role("table", name=re.compile("Bars with their versions")).get_by_role("link"),
    "Dead letters": lambda page: page.get_by_text("Nothing: there are no letters."),
    "Market": lambda page: page.get_by_role("rowheader", name="META"),
    "Latest": latest,
    "Tape": packets,
    "SQL": answer,
    "Actions": lambda page: page.get_by_text("A process is there that carries actions out."),
    "Runbooks": lambda page: page.get_by_role("link", name="NatsAway", exact=True),
}


# What the colour of each element with a state means, and its text.
STATES = """() => Object.entries({ good: "good", flows: "good", warning: "warning", behind: "warning", bad: "bad",
  dead: "bad", unknown: "unknown" }).flatMap(([name, meaning]) => [...document.querySelectorAll(`main .${name}`)]
  .map(one => [meaning, one.innerText.trim()]).filter(([, text]) => text))"""


def accessible(browser, base, say):
    """All of axe's rules, in light and in dark colours. A narrow screen scrolls in one direction."""
    context = browser.new_context(color_scheme="light", reduced_motion="reduce")
    page = context.new_page()
    log = []
    watch(page, log)
    page.goto(base)
    told = {}
    for name, news in PAGES.items():
        page.get_by_role("link", name=name, exact=True).click()
        page.get_by_role("heading", name=name, level=1).wait_for()
        page.get_by_text("ALL GOOD").first.wait_for(timeout=PATIENCE * 1000)
        news(page).first.wait_for(timeout=PATIENCE * 1000)
        found = [v["id"] for v in Axe().run(page).response["violations"]]
        say(f"axe, {name}, light", not found, violations=found)
        page.emulate_media(color_scheme="dark")
        found = [v["id"] for v in Axe().run(page).response["violations"]]
        say(f"axe, {name}, dark", not found, violations=found)
        page.emulate_media(color_scheme="light")
        # As wide as 320 px, and as a window of 1280 px at 200 %.
        for size, width in (("on a narrow screen", 320), ("at 200 %", 640)):
            page.set_viewport_size({"width": width, "height": 640})
            wide = page.evaluate("document.documentElement.scrollWidth")
            say(f"{name} {size}", wide <= width, width=wide)
        # Without colours a state is told by its sign: a good one and another never have the same text.
        for state, text in page.evaluate(STATES):
            told.setdefault(text, set()).add(state)
        page.set_viewport_size({"width": 1280, "height": 720})
        say(f"console, {name}", not log, messages=log)
    same = [text for text, states in told.items() if len(states) > 1]
    say("states have words of their own", not same and len(told) > 10, same=same, texts=len(told))
    context.close()


def accessible_beside(chromium, base, say):
    """Looks at all pages in a browser of its own, on a thread. Returns it."""
    def work():
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
                accessible(browser, base, say)
                browser.close()
        except Exception as problem:
            say("all pages are looked at", False, problem=str(problem))

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def keyboard(page, say):
    page.keyboard.press("Tab")
    say("Tab reaches the skip link", page.evaluate("document.activeElement.textContent").startswith("Skip"))
    for _ in range(3):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Gaps", level=1).wait_for()
    page.get_by_text("Nothing is missing.").wait_for()
    say("the gaps are reached by keyboard, and nothing is missing", True)
    page.go_back()


def chart(page, base, say):
    """A bar is chosen by keyboard alone, and the table has the numbers of the server."""
    page.goto(base + "chart?symbol=AAPL&source=synthetic&series=1s")
    # The newest one may get another version meanwhile.
    table = page.get_by_role("table", name=re.compile("Bars with their versions"))
    link = table.get_by_role("link").nth(1)
    link.wait_for(timeout=PATIENCE * 1000)
    time_of_bar = link.inner_text()
    row = table.get_by_role("row").filter(has_text=time_of_bar).first.get_by_role("cell").all_inner_texts()
    answer = page.request.get(page.url.replace("/chart?", "/chart.json?")).json()
    bar = next(bar for bar in answer["value"]["bars"] if bar["time"][:-1].endswith(time_of_bar.replace(" ", "T")))
    say("the table has the server's numbers", row[:4] == [bar[n] for n in ("open", "high", "low", "close")],
        row=row, bar=bar)
    link.focus()
    page.keyboard.press("Enter")
    page.get_by_role("table", name="Its versions").get_by_role("rowheader", name="1").wait_for()
    command = page.get_by_label("Why each tick of it counts or not").input_value()
    say("Enter on a bar shows what is known of it",
        command.startswith("tapeline explain --name browsed --source synthetic AAPL 1s "), command=command)
    for way in ("Earlier", "Newest"):
        page.get_by_role("button", name=way).focus()
        page.keyboard.press("Enter")
    page.get_by_text(re.compile("the newest; the last one ended")).wait_for(timeout=PATIENCE * 1000)
    # An address need not name all: what it names is shown, or why it is not.
    page.goto(base + "chart?series=1s")
    page.get_by_text(re.compile("^[A-Z.]+ 1s of synthetic: ")).wait_for(timeout=PATIENCE * 1000)
    page.goto(base + "chart?symbol=AAPL&series=9h")
    page.get_by_text("No bar of AAPL 9h was found.").wait_for(timeout=PATIENCE * 1000)
    say("a series without a source is shown, or the page says that there is none", "series=9h" not in page.url)
    page.goto(base)


class Hands:
    """What a person does on the page Actions, by keyboard alone."""

    def __init__(self, page):
        self.page = page

    def press(self, name, patience=PATIENCE):
        self.page.get_by_role("button", name=name, exact=True).focus(timeout=patience * 1000)
        self.page.keyboard.press("Enter")

    def write(self, label, text):
        self.page.get_by_label(label, exact=True).focus()
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(text)

    def choose(self, action):
        """A busy browser may forget the first letters meanwhile: then they are typed again."""
        field = self.page.get_by_label("Action")
        for _ in range(10):
            field.focus()
            self.page.keyboard.type(action)
            if field.evaluate("one => one.selectedOptions[0].text") == action:
                return
        raise AssertionError(f"the action '{action}' cannot be chosen")

    def carry_out(self):
        """News that come between the two presses ask for the first one again."""
        for _ in range(5):
            self.press("Carry it out")
            try:
                return self.press("Confirm: carry it out", patience=2)
            except Error:
                pass
        raise AssertionError("nothing can be carried out")

    def outcome(self, pattern):
        return self.page.get_by_role("status").filter(has_text=re.compile(pattern)).first


def act(page, base, token, say):
    """A person signs in, and asks for each action, by keyboard alone."""
    page.goto(base + "actions?do=drain&member=operator-worker-b")
    hands = Hands(page)
    outcome = hands.outcome
    hands.write("Why", "nobody is signed in")
    hands.carry_out()
    outcome("Sign in first").wait_for(timeout=PATIENCE * 1000)
    say("without a token nothing is carried out", True)
    page.get_by_label("Your token").focus()
    page.keyboard.type(token)
    page.keyboard.press("Enter")
    page.get_by_text(re.compile("^You are ")).wait_for(timeout=PATIENCE * 1000)
    page.get_by_text("A process is there that carries actions out.").wait_for(timeout=PATIENCE * 1000)

    page.get_by_label("Name of a process or of a group").focus()
    page.keyboard.type("operator")
    question = page.get_by_label("The command that asks the same").input_value()
    say("the question can be pasted", question == "tapeline may-i restart operator --name browsed", question=question)
    page.keyboard.press("Enter")
    outcome("(YES|NO): ").wait_for(timeout=PATIENCE * 1000)
    say("it says whether a restart is safe", True, answer=outcome("(YES|NO): ").inner_text()[:200])

    for verb, action, fields, expected in (
        ("add", "add instruments", {"Symbols, comma-separated": "KEYBOARD"}, "✓ done"),
        ("remove", "remove instruments", {"Symbols, comma-separated": "KEYBOARD"}, "✓ done"),
        ("repair", "repair bars", {"Symbol": "AAPL", "From, like 2026-11-27T14:30:00Z or -2h": "-1m",
                                   "To, like now": "now"}, "✓ done"),
        ("replay", "replay dead letters", {"Letters by their ids, comma-separated": "0123456789abcdef"}, "✕ refused"),
    ):
        hands.choose(action)
        for label, text in fields.items():
            hands.write(label, text)
        hands.write("Why", "a look by keyboard")
        command = page.get_by_label("The command that does the same").input_value()
        if verb in ("repair", "replay"):
            hands.press("Try it, change nothing")
        else:
            hands.carry_out()
        outcome("^(✓ done|✕ refused|✕ failed|◌ not done yet)").wait_for(timeout=60_000)
        said = outcome("^[✓✕◌]").inner_text()
        say(f"{verb} is asked for by keyboard", verb in command and said.startswith(expected), command=command,
            outcome=said[:200])


# What a browser has that knows no shared workers. The pages of such a one are seen one at a time.
WITHOUT_WORKERS = """delete window.SharedWorker; window.isSeen = true;
  Object.defineProperty(document, "hidden", { get: () => !window.isSeen });"""
SEEN = "seen => { window.isSeen = seen; document.dispatchEvent(new Event('visibilitychange')); }"


def is_live(tab):
    return tab.get_by_text(re.compile("^live, "))


def eight_tabs(page, base, say, expected="(YES|NO): "):
    """A browser has six connections to a host: each of its pages lives all the same, and the last one acts."""
    tabs = []
    try:
        for name in [*list(PAGES)[:7], "Actions"]:
            tab = page.context.new_page()
            tabs.append(tab)
            tab.set_default_timeout(PATIENCE * 1000)
            tab.goto(base)
            tab.get_by_role("link", name=name, exact=True).click()
            tab.get_by_role("heading", name=name, level=1).wait_for()
        for tab in tabs:
            is_live(tab).wait_for()
        hands = Hands(tabs[-1])
        tabs[-1].get_by_text(re.compile("^You are ")).wait_for()
        hands.write("Name of a process or of a group, like operator", "operator")
        hands.press("Ask")
        hands.outcome(expected).wait_for()
        say("eight pages of one browser are live, and the eighth acts", True, answer=hands.outcome(expected).inner_text())
    except Error as problem:
        say("eight pages of one browser are live, and the eighth acts", False, open=len(tabs), problem=str(problem))
    for tab in tabs:
        tab.close()


def tabs_without_workers(browser, base, say):
    """Pages that nobody sees let their streams go."""
    context = browser.new_context()
    context.add_init_script(WITHOUT_WORKERS)
    tabs = []
    try:
        for _ in range(8):
            if tabs:
                tabs[-1].evaluate(SEEN, False)
            tabs.append(context.new_page())
            tabs[-1].set_default_timeout(PATIENCE * 1000)
            tabs[-1].goto(base)
            is_live(tabs[-1]).wait_for()
        tabs[-1].evaluate(SEEN, False)
        tabs[0].evaluate(SEEN, True)
        is_live(tabs[0]).wait_for()
        say("eight pages of a browser without shared workers are live when they are seen", True)
    except Error as problem:
        say("eight pages of a browser without shared workers are live when they are seen", False, open=len(tabs),
            problem=str(problem))
    context.close()


def drain(page, base, say):
    """A person takes a worker out and back, by keyboard alone."""
    hands = Hands(page)
    for verb, action, state in (("drain", "drain a member", "is drained in operator"),
                                ("release", "release a member", "is ready in operator")):
        hands.choose(action)
        hands.write("Name of the member", "operator-worker-b")
        hands.write("Why", "a look by keyboard")
        command = page.get_by_label("The command that does the same").input_value()
        hands.carry_out()
        hands.outcome(state).wait_for(timeout=60_000)
        row = page.get_by_role("table", name="On record").get_by_role("row").filter(
            has_text=f"member {verb} operator-worker-b").filter(has_text="done")
        row.first.wait_for(timeout=PATIENCE * 1000)
        say(f"{verb} is carried out and on record", command.startswith(f"tapeline member {verb} operator-worker-b"),
            command=command, row=row.first.get_by_role("cell").all_inner_texts())
    page.goto(base)


def faults(browse, link, processes):
    flows = "Each step, with what is known of it now"

    def step(row):
        cells = browse.cells(flows, row)
        return len(cells) > 1 and "●" not in cells[1]

    stops = [
        ("provider-gateway", lambda: step("synthetic")),
        ("store-writer", lambda: step("tape store") or step("store")),
        ("nats-server", lambda: step("synthetic") and step("operator")),
        ("postgres", lambda: step("database")),
        ("cockpit", lambda: step("synthetic") and step("database")),
    ]
    for name, is_seen in stops:
        browse.fault(f"{name} is stopped", *stopper(processes[name]), is_seen)
    browse.fault("the link is cut", link.held.set, link.held.clear, lambda: step("synthetic"))
    browse.fault(
        "the browser's clock stands",
        lambda: browse.page.evaluate("{ const now = performance.now();"
                                     " performance.now = () => now; }"),
        lambda: browse.page.evaluate("delete performance.now"),
        lambda: step("synthetic"))


def main():
    url, chromium, state = sys.argv[1:4]
    units = json.loads(pathlib.Path(state).read_text())["units"]
    processes = {unit["name"]: unit["process"]["id"] for unit in units if unit.get("process")}
    link = Link(urlparse(url).port)
    base = f"http://127.0.0.1:{link.port}/"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_context().new_page()
        log = []
        watch(page, log)
        page.goto(base)
        browse = Browse(page)
        browse.expect_well("at the beginning")
        looking = accessible_beside(chromium, base, browse.say)
        keyboard(page, browse.say)
        chart(page, base, browse.say)
        token = (pathlib.Path(state).parent / "secrets" / "cockpit-token").read_text()
        act(page, base, token, browse.say)
        eight_tabs(page, base, browse.say)
        tabs_without_workers(browser, base, browse.say)
        # Partitions without an owner for a moment are no news for the other browser.
        looking.join()
        drain(page, base, browse.say)
        browse.expect_well("after the actions")
        faults(browse, link, processes)
        browse.say("no error on the console", not log, messages=log)
        browser.close()
    sys.exit(1 if browse.bad else 0)


main()
