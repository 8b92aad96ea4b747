#!/usr/bin/env python3
"""A model beside the pipeline: after each trade it predicts the next price of the symbol, and writes that into a table
of its own, once for each trade, whatever is killed. Start as many copies as you like: they share the partitions.

    model_server.py GROUP DATABASE [SYMBOL...]

GROUP is registered ('tapeline groups register GROUP --needed no'), DATABASE is the URL of a PostgreSQL of your own. The
tape is that of the local stack that is up, or as TAPELINE_NATS or NATS_URL says."""

import sys

import psycopg
import tapeline

TABLES = """
CREATE TABLE IF NOT EXISTS predictions (
    source text, partition int, ordinal bigint, symbol text, event_time_ns bigint, price float8, predicted float8,
    PRIMARY KEY (source, partition, ordinal));
CREATE TABLE IF NOT EXISTS model_state (
    source text, symbol text, level float8, trend float8, PRIMARY KEY (source, symbol));
"""
LEVEL, TREND = 0.2, 0.05


def predictions(rows, state):
    """Yields a row for each trade: a level and a trend follow the price (Holt's linear smoothing)."""
    names = ("source", "partition", "ordinal", "symbol", "event_time", "price", "action")
    for *place, symbol, time, price, action in zip(*(rows[name] for name in names)):
        if action != "new" or price is None:
            continue
        key = (place[0], symbol)
        before, trend = state.get(key, (price, 0.0))
        level = before + trend + LEVEL * (price - before - trend)
        trend += TREND * (level - before - trend)
        state[key] = (level, trend)
        yield (*place, symbol, time, price, level + trend)


def serve(batch):
    """Takes a batch. The state of the model is in the same transaction, so another copy continues with it."""
    rows = batch.rows["trades"]
    stored = batch.execute(
        "SELECT source, symbol, level, trend FROM model_state WHERE symbol = ANY(%s)", [sorted(set(rows["symbol"]))])
    state = {(source, symbol): told for source, symbol, *told in stored}
    cursor = batch.connection.cursor()
    cursor.executemany("INSERT INTO predictions VALUES (%s, %s, %s, %s, %s, %s, %s)", list(predictions(rows, state)))
    cursor.executemany(
        "INSERT INTO model_state VALUES (%s, %s, %s, %s) ON CONFLICT (source, symbol) DO UPDATE"
        " SET level = excluded.level, trend = excluded.trend", [(*key, *told) for key, told in state.items()])


def main(group, database, *symbols):
    with psycopg.connect(database) as session:
        # Copies that begin together make the tables one after the other.
        session.execute("SELECT pg_advisory_xact_lock(hashtextextended('predictions', 0))")
        session.execute(TABLES)
    desk = tapeline.connect(tape=True)
    with desk.follow(group, database=database, kinds=["trades"], symbols=symbols or None) as reading:
        while True:
            try:
                for batch in reading:
                    serve(batch)
            except tapeline.TapeHole as hole:
                print(f"no predictions where {hole}", file=sys.stderr)
                reading.accept(hole)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
