"""Rows beside ticks and bars, of kinds.sql."""

import os

from desk.checks import check, equal, raises
from desk.proofs import all_verify

DAY = ("2026-03-02 14:41", "15:29")
"""From the first row of AAPL on."""


def column(selection, *names):
    return [row for batch in selection.batches("fixed") for row in zip(*(batch[name] for name in names))]


def kinds(desk):
    import tapeline

    def flags(**how):
        return [flag for flag, in column(desk.provider_bars("AAPL", *DAY, **how), "bar_flags")]

    equal(flags(), [1, 0, 4])
    equal([flags(as_of=at) for at in ("14:41:00.5", "14:45", "14:50:02")], [[1], [1, 0], [1, 0, 4]])
    bars = desk.provider_bars("AAPL", *DAY).to_polars()
    equal(bars.select("close", "volume", "trades").row(0), (180.25, 100.0, 10))
    equal((bars["event_time"] - bars["open_time"]).dt.total_seconds().unique().to_list(), [60])
    equal(column(desk.news("AAPL", "2026-03-02 14:45", "15:29"), "news_kind", "publisher", "body"),
          [("headline", "BRFG", "Größe")])
    # Another source has a gap of all kinds.
    news = desk.news(start="2026-03-02 14:45", end="15:29", source="side")
    every = column(news, "symbol", "body", "exchange")
    equal(every, [("AAPL", "Größe", None), (None, "closed", "NYSE")])
    equal(column(desk.news(start="2026-03-02 14:45", end="15:29", as_of="14:45:30"), "symbol"), [("AAPL",)])
    # It is subscribed since 14:35, and nothing came.
    equal(column(desk.news("MSFT", "2026-03-02 14:35", "15:29", source="side"), "body"), [])
    option = desk.options(start="2026-03-02 14:47", end="15:29", source="side")
    equal(column(option, "computed_from", "implied_volatility", "gamma"), [("bid", 273_456_789, None)])
    parts = column(desk.fundamentals("AAPL", "2026-03-02 14:48", "15:29"), "part", "parts", "content")
    equal(parts, [(0, 2, "3c723ec3"), (1, 2, "a43c2f723e0a")])
    equal(bytes.fromhex("".join(text for *_, text in parts)).decode(), "<r>ä</r>\n")
    value = ("2026-03-02 14:49", "15:29")
    equal(column(desk.indicators("value", "DGS10", *value), "value", "revision", "of_source", "unit"),
          [(4_190_000_000, 0, None, "percent"), (4_200_000_000, 1, None, "percent")])
    # They were published long after the period that they are about.
    known = desk.indicators("value", "DGS10", *value, source="side", as_of="15:00")
    equal(column(known, "revision", "known_at"), [(0, (15 * 3_600 - 11 * 60 + 1) * 10**9 + 1_772_409_600 * 10**9)])
    equal(column(desk.indicators("mean", "AAPL", source="test", missing="mark"), "revision", "source", "of_source"),
          [(1, "operator", "test"), (2, "operator", "test")])
    holes(desk)
    for selection in (desk.provider_bars("AAPL", *DAY), option, desk.indicators("value", "DGS10", *value), news,
                      desk.fundamentals("AAPL", "2026-03-02 14:48", "15:29")):
        check(all_verify(selection)["rows"] > 0)
    with raises(tapeline.TapelineError, "leave news out"):
        tapeline.export_dbn(f"{os.environ['DESK_SITE']}/news", news)


def holes(desk):
    import tapeline

    for pattern, selection in (
        ("AAPL from .*14:31:00Z to .*14:41:00Z .nothing from before", desk.provider_bars("AAPL", "2026-03-02 14:31")),
        ("SPY .*nothing of it is stored", desk.provider_bars(["AAPL", "SPY"], *DAY)),
        ("MSFT of side from .*14:31:00Z to .*14:35:00Z .nothing from before",
         desk.news("MSFT", "2026-03-02 14:31", "15:29", source="side")),
        ("MSFT .*nothing of it is stored", desk.fundamentals("MSFT", *DAY)),
        ("DGS10 .*nothing of it is stored: typo", desk.indicators(["value", "typo"], "DGS10", "2026-03-02 14:49",
                                                                   "15:29")),
        ("nothing of it is stored", desk.indicators("value", source="typo")),
        ("DGS10 of side .*disconnected, abandoned", desk.indicators("value", "DGS10", "2026-03-02 14:49", "17:00")),
    ):
        with raises(tapeline.TapeHole, pattern):
            selection.to_polars()
    for pattern, call in (
        ("as_of needs a start and an end", lambda: list(desk.news("AAPL", as_of="2026-03-02 15:00", missing="mark"))),
        ("known yet", lambda: list(desk.options(None, *DAY, as_of="2199-01-01", missing="mark"))),
    ):
        with raises(tapeline.TapelineError, pattern):
            call()
