"""What was known of ticks, values and gaps at a time, of data_page.sql: the tape took each row a second after its
receipt."""

from desk.checks import DAY, check, equal, raises

SECOND = 10**9
AT = "2026-03-02 15:00"
NS = 1_772_463_600 * SECOND
"""The same in nanoseconds."""


def known(desk):
    import tapeline

    for kind in ("trades", "quotes"):
        read = getattr(desk, kind)
        rows = [row for batch in read("AAPL", *DAY).knowing().batches()
                for row in zip(batch["ordinal"], batch["receive_time"], batch["known_at"])]
        check(all(told - received == SECOND for _, received, told in rows))
        then = [row for batch in read("AAPL", *DAY, as_of=AT).batches()
                for row in zip(batch["ordinal"], batch["receive_time"], batch["known_at"])]
        equal(then, [row for row in rows if row[2] <= NS])
        check(1_000 < len(then) < len(rows))
    check("known_at" not in desk.trades("AAPL", *DAY).to_polars().columns)
    # The cancel of this trade was known twenty seconds after it.
    changes = [
        sum(batch["action"].count("cancel") for batch in desk.trades("AAPL", *DAY, as_of=at).batches())
        for at in ("14:40:49", "14:40:51")]
    equal(changes, [0, 1])
    counted = [len(desk.trades("AAPL", *DAY, as_of=at, effective=True, missing="mark").to_polars())
               for at in ("14:40:49", "14:40:51")]
    came = [sum(batch["action"].count("new") for batch in desk.trades("AAPL", *DAY, as_of=at).batches())
            for at in ("14:40:49", "14:40:51")]
    equal([one - other for one, other in zip(came, counted)], [0, 1])
    everything = desk.trades("AAPL", *DAY, effective=True)
    check(set(everything.to_polars()["action"]) <= {"new", "correction"})

    def values(**how):
        found = desk.values("mean", "AAPL", *DAY, **how)
        return [(row["value"], row["revision"], (row["known_at"] - NS) // SECOND) for row in found.rows()]

    equal(values(), [(6.5, 2, 600)])
    equal(values(as_of="14:39", price="fixed"), [])
    equal(values(as_of="14:50", price="fixed"), [(5_500_000_000, 1, -1_200)])
    equal(values(as_of="15:10"), [(6.5, 2, 600)])
    equal(desk.values("other", "AAPL").rows(), [])

    def gaps(at):
        return [row["state"] for row in desk.gaps("MSFT", *DAY, as_of=at).rows() if row["kind"] == "trade"]

    equal([gaps(at) for at in ("14:52:00", "14:54:58", "15:00")], [[], [], ["abandoned"]])
    for pattern, wrong in (
        ("known yet", lambda: list(desk.trades("AAPL", *DAY, as_of="2199-01-01"))),
        ("symbols, a start and an end", lambda: list(desk.trades("AAPL", DAY[0], as_of=AT, missing="mark"))),
        ("without history=True", lambda: desk.trades("AAPL", *DAY, effective=True, history=True)),
        ("without history=True", lambda: desk.trades("AAPL", *DAY, as_of=AT, history=True)),
        ("need names", lambda: desk.values("mean", as_of=AT)),
    ):
        with raises(tapeline.TapelineError, pattern):
            wrong()
