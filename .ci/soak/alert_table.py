"""The faults of alerts.py, what each has to page, and the verdict on what came. Pure: no process, no clock.

The faults are those of the written list of what a stack has to survive: processes and servers that are killed or
stand still, wrong passwords, rights that are missing, tables that take nothing, a tape that is purged or without room,
a spool that fills, a certificate that ends, clocks, sources that are taken away, and providers that refuse, fall silent
or go away. How long an alert waits is read from deploy/prometheus.
"""

import dataclasses
import functools
import pathlib
import random
import re
from collections.abc import Iterable
from typing import Any

RULES = pathlib.Path(__file__).resolve().parents[2] / "deploy/prometheus"
# A page comes so long after the time that its rule waits: scrapes, evaluations, and the grouping.
MARGIN_SECONDS = 45
# So many pages of 40 faults may be about something else.
OTHERS_OF_40 = 2
OBJECTIVE = "ObjectiveMissed"
# What is no alarm.
NO_ALARM = "Watchdog"
UNITS = {"s": 1, "m": 60, "h": 3600}

ROWS, BARS, ORDINALS = "rows", "bars", "ordinals"
GATEWAYS = {"provider-gateway": "ibkr", "provider-gateway-made": "made", "provider-gateway-alpaca": "alpaca"}
WORKERS = ("operator-worker-a", "operator-worker-b")
# The group of tables that waits apart when one of them is blocked.
TABLES = {"bars_short": "bars", "trade_rows": "ticks", "quote_rows": "ticks"}


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of fault. `{target}` in a label is what was drawn, and `{group}` the group of that table."""

    name: str
    # The function of alert_faults.py or alert_guest.py that causes it, with the target.
    act: str
    alert: str
    severity: str
    labels: tuple[tuple[str, str], ...] = ()
    targets: tuple[str, ...] = ("",)
    # How long the rule's expression, or the product, takes before the rule begins to wait, and why. What takes up to
    # 15 s is within the margin.
    window: int = 0
    why: str = ""
    # What else this fault may page: it says what follows, and it is counted apart.
    follows: tuple[str, ...] = ()
    # The objectives that it spoils, where its alert does not silence them.
    hurts: tuple[str, ...] = ()
    # How long the alert goes on after the fault: for so long its rule looks back.
    linger: int = 0
    # Whether it cannot be made without libfaketime.
    moves_clock: bool = False
    # Whether the alert goes on for so long afterwards that the next fault gets a new stack.
    ends_stack: bool = False


def of(**labels: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(labels.items()))


def down(name: str, act: str, targets: tuple[str, ...], follows: tuple[str, ...] = ()) -> Kind:
    return Kind(name, act, "ServiceDown", "warning", of(what="down", instance="{target}"), targets, follows=follows)


def away(name: str, act: str, job: str) -> Kind:
    return Kind(name, act, "ServiceAway", "critical", of(what="down", job="{target}"), (job,))


def nats(name: str, act: str) -> Kind:
    return Kind(name, act, "NatsAway", "critical", of(what="all"), ("nats-server",))


def breaker(name: str, act: str, window: int = 0, why: str = "") -> Kind:
    return Kind(name, act, "BreakerOpen", "critical", of(what="away", group="store"), window=window, why=why)


def blocked(name: str, act: str) -> Kind:
    return Kind(name, act, "TableBlocked", "warning", of(store="store", group="{group}"), tuple(TABLES),
                hurts=(ROWS,))


def valkey(name: str, act: str) -> Kind:
    return Kind(name, act, "ValkeyAway", "warning", of(what="away", instance="store-writer"), window=120,
                why="nothing was written for two minutes")


def provider(name: str, act: str, alert: str, severity: str, source: str, window: int = 0, why: str = "",
             follows: tuple[str, ...] = ()) -> Kind:
    return Kind(name, act, alert, severity, of(source=source, provider=source), window=window, why=why,
                follows=follows)


GONE = ("SourceMissing",)
KINDS = (
    down("a worker stands still", "pause", WORKERS),
    down("a worker is dead", "kill", WORKERS),
    down("a gateway stands still", "pause", tuple(GATEWAYS), GONE + ("SpoolInUse",)),
    down("a gateway is dead", "kill", tuple(GATEWAYS), GONE),
    away("all workers stand still", "pause_all", "operator-worker"),
    away("all workers are dead", "kill_all", "operator-worker"),
    away("all gateways stand still", "pause_all", "provider-gateway"),
    away("all gateways are dead", "kill_all", "provider-gateway"),
    away("the writer stands still", "pause_all", "store-writer"),
    away("the writer is dead", "kill_all", "store-writer"),
    Kind("a process ends again and again", "kill_often", "ServiceDown", "warning",
         of(what="restarts", instance="{target}"), (*WORKERS, "store-writer", "provider-gateway-made"),
         hurts=(ROWS, BARS), linger=900),
    nats("NATS stands still", "pause"),
    nats("NATS is dead", "kill"),
    breaker("the database stands still", "pause_database", 55,
            "a statement waits for 30 s, then five attempts for 5 s each"),
    breaker("the database is dead", "kill_database"),
    breaker("the database has another password", "database_password"),
    breaker("the database lets nobody in", "database_limit"),
    breaker("the database is read-only", "database_read_only"),
    Kind("a COMMIT does not outlive a crash", "database_crash", "DatabaseNotDurable", "warning", of(what="crash"),
         window=30, why="writers look at the database's settings each half minute"),
    blocked("a table is locked", "lock_table"),
    blocked("a table refuses all its rows", "refuse_rows"),
    Kind("a table refuses some rows", "refuse_symbol", "DeadLetters", "warning", of(what="set-aside"),
         ("trade_rows",), linger=900),
    valkey("Valkey stands still", "pause_valkey"),
    valkey("Valkey is dead", "kill_valkey"),
    valkey("Valkey has another password", "valkey_password"),
    Kind("NATS has another password for a service", "nats_password", "NatsAway", "critical",
         of(what="away", job="{target}"), ("store-writer", "operator-worker"),
         follows=("PartitionsWithoutOwner", "GroupLagHigh", "BarsBehind", "MemberPaused"), hurts=(ROWS, BARS)),
    Kind("NATS has another password for the cockpit", "nats_password", "NatsUnsteady", "warning",
         of(what="away", job="{target}"), ("cockpit",), 300, "the cockpit was without NATS for five minutes",
         linger=600),
    Kind("a gateway may not publish", "nats_right", "NatsUnsteady", "warning",
         of(what="errors", job="provider-gateway"), follows=("SpoolInUse", "WatermarkStalled", "TapeSlow"),
         hurts=(ROWS, BARS), linger=1500),
    Kind("a stream of the tape is nearly full", "fill_stream", "TapeHeadroomLow", "critical",
         targets=("TICKS_0", "TICKS_1", "BARS"), follows=("TapePurgeHeld", "SpoolInUse"), hurts=(ROWS, BARS)),
    Kind("somebody acts who is not the cockpit", "forge_action", "ActionsNotTaken", "warning", linger=900),
    Kind("a source is purged by hand", "purge_source", "TapeLostData", "critical", of(what="lost"),
         follows=("TapeLostData",), hurts=(ORDINALS,), linger=900),
    Kind("a source has more ticks than its ceiling", "exceed_ceiling", "TicksLeftOut", "critical",
         of(what="tape", source="guest"), linger=600),
    Kind("the gateways of a source are taken away", "lose_source", "SourceMissing", "critical", of(source="guest"),
         follows=("BarsBehind",), hurts=(BARS,)),
    Kind("a gateway without NATS has a small spool", "fill_spool", "SpoolFilling", "critical",
         of(what="room", source="guest"), hurts=(BARS,),
         follows=("NatsAway", "PartitionsWithoutOwner", "WatermarkStalled", "BarsBehind")),
    # It fires on for an hour.
    Kind("a certificate ends", "end_certificate", "CertificateEnded", "critical",
         of(job="cockpit", file="COCKPIT_TLS_CERTIFICATE"), follows=("CertificateEnding",), ends_stack=True),
    Kind("two workers have one name", "twin", "MemberDoubled", "critical", of(group="operator"), WORKERS),
    Kind("the clock of a worker is wrong", "wrong_clock", "ClocksDisagree", "warning", of(what="tape"),
         follows=("LateTicks",), hurts=(BARS,), moves_clock=True),
    provider("TWS is away", "tws_away", "ProviderNotConnected", "critical", "ibkr", 20,
             "five attempts fail one after the other"),
    provider("TWS has no data", "tws_lost", "ProviderSilent", "critical", "ibkr", 120,
             "nothing has come for two minutes"),
    provider("one instrument of TWS is silent", "tws_silent", "ProviderFeedsDown", "warning", "ibkr", 60,
             "a feed is silent for a minute before it counts"),
    provider("somebody else uses the account", "tws_competing", "ProviderAccountInUse", "critical", "ibkr",
             follows=("ProviderSilent", "ProviderFeedsDown")),
    provider("the broker refuses an instrument", "tws_permission", "ProviderRefused", "warning", "ibkr"),
    provider("Alpaca is away", "alpaca_away", "ProviderNotConnected", "critical", "alpaca"),
    provider("Alpaca refuses the key", "alpaca_refuses", "ProviderRefused", "critical", "alpaca"),
)


@dataclasses.dataclass(frozen=True)
class Fault:
    number: int
    kind: Kind
    target: str

    @property
    def title(self) -> str:
        return f"{self.kind.name} ({self.target})" if self.target else self.kind.name

    @property
    def labels(self) -> dict[str, str]:
        group = TABLES.get(self.target, "")
        return {key: value.format(target=self.target, group=group) for key, value in self.kind.labels}

    @property
    def waits(self) -> int:
        """How long the rule waits, in seconds, by the shipped rules."""
        return waits()[(self.kind.alert, self.kind.severity)]

    @property
    def bound(self) -> int:
        return self.waits + self.kind.window + MARGIN_SECONDS

    def is_named_by(self, labels: dict[str, str]) -> bool:
        wanted = {"alertname": self.kind.alert, "severity": self.kind.severity, **self.labels}
        return all(labels.get(key) == value for key, value in wanted.items())


def seconds_of(text: str) -> int:
    return sum(int(count) * UNITS[unit] for count, unit in re.findall(r"(\d+)([smh])", text))


@functools.cache
def waits(folder: pathlib.Path = RULES) -> dict[tuple[str, str], int]:
    """`for` of each rule by its alert and severity."""
    found: dict[tuple[str, str], int] = {}
    for path in sorted(folder.glob("*.rules.yml")):
        for rule in re.split(r"^      - (?=alert|record)", path.read_text(), flags=re.M)[1:]:
            name = re.match(r"alert: (\w+)", rule)
            if not name:
                continue
            wait = re.search(r"^        for: (\w+)$", rule, re.M)
            severity = re.search(r"^        labels: \{.*severity: (\w+)", rule, re.M)
            assert severity, name[1]
            found[(name[1], severity[1])] = seconds_of(wait[1]) if wait else 0
    return found


def draw(count: int, seed: int, kinds: Iterable[Kind] = KINDS) -> list[Fault]:
    """Draws faults: none a second time before all were drawn. Those that take longest come first, so that stacks
    that work beside each other end together."""
    chance, deck, drawn = random.Random(seed), list[Kind](), list[Fault]()
    all_kinds = sorted(kinds, key=lambda kind: kind.name)
    for number in range(count):
        if not deck:
            deck = list(all_kinds)
            chance.shuffle(deck)
        kind = deck.pop()
        drawn.append(Fault(number + 1, kind, chance.choice(kind.targets)))
    return sorted(drawn, key=lambda fault: (-fault.bound - fault.kind.linger, fault.number))


@dataclasses.dataclass
class Page:
    """A message of Alertmanager to the receiver: when it came, and the alerts in it that were new."""

    at: float
    alerts: list[dict[str, str]]
    summaries: list[str] = dataclasses.field(default_factory=list)


class Pages:
    """Which alerts of the posts are new. Alertmanager says again what still fires."""

    def __init__(self) -> None:
        self.known: set[tuple[str, str]] = set()

    def take(self, at: float, post: dict[str, Any]) -> Page | None:
        page = Page(at, [])
        for alert in post.get("alerts", []):
            key = (alert["fingerprint"], alert["startsAt"])
            if alert["status"] != "firing" or key in self.known or alert["labels"]["alertname"] == NO_ALARM:
                continue
            self.known.add(key)
            page.alerts.append(alert["labels"])
            page.summaries.append(alert.get("annotations", {}).get("summary", ""))
        return page if page.alerts else None


def words_of(labels: dict[str, str]) -> str:
    """An alert in a few words."""
    keys = ("alertname", "what", "slo", "instance", "group", "source", "job")
    return " ".join(filter(None, (labels.get(key, "") for key in keys)))


@dataclasses.dataclass
class Outcome:
    """What a fault paged."""

    fault: Fault
    stack: str
    # Seconds from the fault to the first page, and whether that names the cause.
    first: float | None = None
    named: bool = False
    said: str = ""
    follows: list[str] = dataclasses.field(default_factory=list)
    objectives: list[str] = dataclasses.field(default_factory=list)
    others: list[str] = dataclasses.field(default_factory=list)
    # Seconds from the end of the fault until nothing fired any more.
    over: float | None = None
    problem: str = ""

    def take(self, page: Page, begin: float, hurt: set[str]) -> None:
        """Takes a page. `hurt`: the objectives that this fault and earlier ones of the stack have spoilt."""
        own = [self.fault.is_named_by(labels) for labels in page.alerts]
        if self.first is None:
            self.first, self.named = page.at - begin, any(own)
            self.said = next((text for text, yes in zip(page.summaries, own) if yes), page.summaries[0])
        for labels in page.alerts:
            self.note(labels, hurt)

    def note(self, labels: dict[str, str], hurt: set[str]) -> None:
        """Takes an alert that was paged. The same alert with other labels is about something else."""
        name = labels["alertname"]
        if self.fault.is_named_by(labels):
            return
        if name == OBJECTIVE and labels.get("slo") in hurt:
            self.objectives.append(words_of(labels))
        elif name in self.fault.kind.follows:
            self.follows.append(words_of(labels))
        else:
            self.others.append(words_of(labels))

    @property
    def fails(self) -> str:
        """Why it does not hold; empty if it does."""
        if self.problem:
            return self.problem
        if self.first is None:
            return "no page came"
        if not self.named:
            return f"the first page names another cause: {self.said}"
        if self.first > self.fault.bound:
            return f"the page came after {self.first:.0f} s, not within {self.fault.bound}"
        return ""


    @property
    def is_strict(self) -> bool:
        """Whether it holds without what the table allows: within `for` and the margin alone, and nothing else paged."""
        return (not self.fails and (self.first or 0) <= self.fault.waits + MARGIN_SECONDS
                and not (self.follows or self.objectives or self.others))


def others_allowed(count: int) -> int:
    return OTHERS_OF_40 * count // 40


def verdict(outcomes: list[Outcome], count: int) -> list[str]:
    """What does not hold of all of them, a line each."""
    problems = [f"{each.fault.number} {each.fault.title}: {each.fails}" for each in outcomes if each.fails]
    others = [f"{each.fault.title}: {name}" for each in outcomes for name in each.others]
    if len(others) > others_allowed(count):
        problems.append(f"{len(others)} pages are about something else, {others_allowed(count)} may be: "
                        + "; ".join(others[:10]))
    if len(outcomes) < count:
        problems.append(f"only {len(outcomes)} of {count} faults were tried")
    return problems


def table(outcomes: list[Outcome]) -> str:
    """The report for people."""
    heads = ("", "fault", "alert", "for", "window", "page", "of", "over", "follows", "objectives", "others", "")
    rows = [heads]
    for each in sorted(outcomes, key=lambda outcome: outcome.fault.number):
        fault = each.fault
        shown = ["-" if value is None else f"{value:.0f}" for value in (each.first, each.over)]
        rows.append((
            str(fault.number), fault.title, fault.kind.alert, str(fault.waits), str(fault.kind.window), shown[0],
            str(fault.bound), shown[1], str(len(each.follows)), str(len(each.objectives)), str(len(each.others)),
            f"✘ {each.fails}" if each.fails else ""))
    widths = [max(len(row[place]) for row in rows) for place in range(len(heads))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def counts(outcomes: list[Outcome]) -> tuple[int, int]:
    """How many hold with what the table allows (windows, what follows, objectives), and without."""
    return sum(not each.fails for each in outcomes), sum(each.is_strict for each in outcomes)


def document(outcomes: list[Outcome], seed: int, count: int, revision: str) -> dict[str, Any]:
    """The report for programs."""
    lenient, strict = counts(outcomes)
    return {
        "revision": revision, "seed": seed, "faults": count, "named_in_time": lenient, "strict": strict,
        "others": sum(len(each.others) for each in outcomes), "problems": verdict(outcomes, count),
        "outcomes": [{
            "number": each.fault.number, "fault": each.fault.title, "stack": each.stack,
            "alert": each.fault.kind.alert, "labels": each.fault.labels, "for": each.fault.waits,
            "window": each.fault.kind.window, "why": each.fault.kind.why, "bound": each.fault.bound,
            "first_page": each.first, "named": each.named, "said": each.said, "over": each.over,
            "follows": each.follows, "objectives": each.objectives, "others": each.others, "strict": each.is_strict,
            "fails": each.fails,
        } for each in sorted(outcomes, key=lambda outcome: outcome.fault.number)]}
