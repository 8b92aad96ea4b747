#!/usr/bin/env python3
"""Shows that no question of people reads a whole table, on a database with many rows.

    plans.py [--rows N] [--minutes M] [--folder F] [--plain] [--keep]

It fills a PostgreSQL of its own by a generator: `--rows` trades and quotes (100 million, which take about 21 GB) of
30 days, 20 of them around 2026-03-02 and the last 10 up to now, and bars, values, events, gaps, late ticks,
cancels and corrections beside them. 20 more symbols have a year of bars of a second, an hour and a day; of those of a
second it makes a tenth of `--rows`, spread over the year. With TimescaleDB, or with `--plain` native partitions. Then
it asks

- the questions of docs/data.md in SQL
- the example in the comment of each view and function of the market schema
- a few more, which name no symbol or ask what was known

by EXPLAIN (ANALYZE, BUFFERS). A question fails that reads more than a quarter of a table with 100,000 rows or more, by
the server's own counts of rows, those in functions included; or that raises or takes more than two minutes. One that
has a bound of its own is asked twice, by two sessions, and the second answer counts.

It prints for each question the table of which it read the largest part, that part, its rows, the buffers of 8 kB, and
the milliseconds. It refuses to begin where there is no room on the disk, and ends after `--minutes`.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAMS = ROOT / ".local/servers/database/bin"
SQL = ROOT / "deploy/postgres"
BYTES_A_ROW = 250
# The widest partition that is asked for a day is a week of the 30 days.
PART_MAX, ROWS_LEAST, SECONDS_MAX = 0.25, 100_000, 120
SYMBOLS = ["AAPL", "MSFT", "SPY", "BTCUSDT"] + [f"S{n}" for n in range(4, 100)]
SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
fsync = off
shared_buffers = '512MB'
maintenance_work_mem = '512MB'
work_mem = '32MB'
max_wal_size = '2GB'
full_page_writes = off
autovacuum = off
wal_level = minimal
max_wal_senders = 0
timezone = 'UTC'
"""
# The questions of docs/data.md are about 2026-03-02. `day` counts the days of the generator from 0.
DAYS = 30
FILL = """
CREATE TABLE made (LIKE md.trade_rows);
CREATE FUNCTION day_of(n integer) RETURNS timestamptz LANGUAGE sql AS $$
    SELECT CASE WHEN n < 20 THEN timestamptz '2026-02-15Z' + n * interval '24 h'
        ELSE date_trunc('day', now(), 'UTC') - (29 - n) * interval '24 h' END $$;
CREATE TABLE days AS SELECT n, day_of(n) AS day FROM generate_series(0, 29) AS n;
CREATE TABLE names AS SELECT n - 1 AS n, name FROM unnest('{%(symbols)s}'::text[]) WITH ORDINALITY AS s (name, n);
SELECT count(make_time_partition(name, day + beside * interval '24 h')) FROM days, generate_series(-1, 1) AS beside,
    unnest('{trades,quotes,bars_short,bar_versions,indicators,provider_bars,events,late_ticks}'::text[]) AS name;
SELECT note_series('{1m}', '{f}');
INSERT INTO sink_positions (sink, input, partition, owner_epoch, sequence, tape_time_ns, sent_time_ns)
SELECT 'store', input, n, 1, 1, t, t FROM generate_series(0, 3) AS n, unnest('{ticks,bars}'::text[]) AS input,
    (SELECT (extract(epoch FROM now() + interval '1 h') * 1000000000)::bigint AS t) AS u;
INSERT INTO sink_source_ordinals (sink, input, partition, source, first_ordinal, last_ordinal, written)
SELECT 'store', 'ticks', n, 'binance', 1, %(rows)s / 4, %(rows)s / 4 FROM generate_series(0, 3) AS n;
SELECT count(make_time_partition('bars_short', '2025-01-01Z'::timestamptz + n * interval '24 h'))
FROM generate_series(0, 364) AS n;
SELECT make_time_partition('bars_long', '2025-01-01Z');
SELECT note_series('{1s,1h,1d}', '{f,t,t}');
INSERT INTO source_groups SELECT n, 'binance-b', 'both' FROM generate_series(0, 3) AS n;
INSERT INTO version_losses (input, partition, from_at, to_at, reason)
SELECT 'ticks', n %% 4, '2025-01-01Z', '2025-01-02Z', 'hole' FROM generate_series(1, 100) AS n;
"""
# A year of bars of 20 symbols.
YEAR = """
INSERT INTO %(table)s (symbol, series, ts, open, high, low, close, volume, vwap, notional, trades, open_time_ns,
    close_time, close_time_ns, revision, source, partition, ordinal, lateness_ns, sent_at, taken_at)
SELECT 'Y' || n, '%(series)s', t, 1, 2, 1, 2, 10, 1.5, 15, 5, 0, t + %(width)s * interval '1 s', 0, 2, 'binance',
    n %% 4, 2, 5000000000, t, t
FROM generate_series(0, 19) AS n, generate_series(0, 31535999, %(step)s) AS second,
    LATERAL (SELECT '2025-01-01Z'::timestamptz + second * interval '1 s' AS t) AS made;
"""
# A day of ticks. Its k-th row is of symbol k %% 100 and partition k %% 4, so ordinals of a partition are dense.
DAY = """
INSERT INTO trade_rows SELECT t, t + interval '5 ms', 1, (%(n)s::bigint * %(a_day)s + k) / 4 + 1, k %% 4, 0, 0, 0, 0, 3,
    names.name, 'binance', 'binance', 'X', '', '', %(n)s::bigint * %(a_day)s + k + 1, 100 + k %% 1000 * 0.01, 1 + k %% 7
FROM (SELECT k, day_of(%(n)s) + k * interval '86399 s' / %(a_day)s AS t FROM generate_series(0, %(a_day)s - 1) AS k
    WHERE k / 100 %% 5 < 3) AS made JOIN names ON names.n = k %% 100;
INSERT INTO quote_rows SELECT t, t + interval '5 ms', 1, (%(n)s::bigint * %(a_day)s + k) / 4 + 1, k %% 4, 0, 0, 0, 3,
    names.name, 'binance', 'binance', 'X', 'X', '', 0, 100 + k %% 1000 * 0.01, 1, 100.01 + k %% 1000 * 0.01, 2
FROM (SELECT k, day_of(%(n)s) + k * interval '86399 s' / %(a_day)s AS t FROM generate_series(0, %(a_day)s - 1) AS k
    WHERE k / 100 %% 5 >= 3) AS made JOIN names ON names.n = k %% 100;
INSERT INTO stored_stretches (input, partition, source, first_ordinal, last_ordinal, taken_from, starts, delays_us,
    apart_ms)
SELECT 'ticks', partition, 'binance', min(first), max(last), min(t),
    array_agg((first - least_first)::integer ORDER BY t), array_agg((s - least_s) * 1000000 ORDER BY t),
    array_agg(1 ORDER BY t)
FROM (SELECT *, min(first) OVER block AS least_first, min(s) OVER block AS least_s
    FROM (SELECT partition, s / 128 AS block, s, day_of(%(n)s) + s * interval '1 s' + interval '1 s' AS t,
            (%(n)s::bigint * %(a_day)s + s * %(a_day)s::bigint / 86400) / 4 + 1 AS first,
            (%(n)s::bigint * %(a_day)s + (s + 1) * %(a_day)s::bigint / 86400) / 4 AS last
        FROM generate_series(0, 86399) AS s, generate_series(0, 3) AS partition) AS seconds
    WHERE last >= first
    WINDOW block AS (PARTITION BY partition, block)) AS points
GROUP BY partition, block;
INSERT INTO bars_short (symbol, series, ts, open, high, low, close, volume, vwap, notional, trades, open_time_ns,
    close_time, close_time_ns, revision, partial, source, partition, ordinal, lateness_ns, sent_at, taken_at, replaced)
SELECT name, '1m', t, 1, 2, 1, 2, 10, 1.5, 15, 5, 0, t + interval '1 min', 0, 2, m %% 200 = 0, 'binance', n %% 4, 2,
    5000000000, t + interval '66 s', t + interval '66 s', (m %% 100 = 0)::integer
FROM (SELECT *, day_of(%(n)s) + m * interval '1 min' AS t FROM generate_series(0, 1439, %(step)s) AS m, names) AS made;
INSERT INTO bar_versions (symbol, series, ts, open, high, low, close, volume, vwap, notional, trades, open_time_ns,
    close_time, close_time_ns, revision, source, partition, ordinal, lateness_ns, sent_at, taken_at)
SELECT symbol, series, ts, open, high, low, close, volume, vwap, notional, trades, 0, close_time, 0, 1, source,
    partition, 1, lateness_ns, close_time + interval '6 s', close_time + interval '6 s'
FROM bars_short WHERE replaced = 1 AND ts >= day_of(%(n)s) AND ts < day_of(%(n)s) + interval '24 h';
INSERT INTO indicators (ts, event_time_ns, symbol, name, value, period_start, period_start_ns, period_end,
    period_end_ns, receive_time, receive_time_ns, source, partition, epoch, ordinal, of_source)
SELECT t + interval '1 min', 0, name, 'stats.q10s.mean', 1, t, 0, t + interval '1 min', 0, t + interval '1 min', 0,
    'operator', n %% 4, 1, %(n)s * 1440 + m, 'binance'
FROM (SELECT *, day_of(%(n)s) + m * interval '1 min' AS t FROM generate_series(0, 1439, %(step)s) AS m, names) AS made;
INSERT INTO stored_stretches (input, partition, source, first_ordinal, last_ordinal, taken_from, starts, delays_us,
    apart_ms)
SELECT 'bars', partition, 'operator', min(o), max(o), min(t), array_agg((o - least_o)::integer ORDER BY o),
    array_agg((m - least_m) * 60000000 ORDER BY o), array_agg(1 ORDER BY o)
FROM (SELECT *, %(n)s * 1440 + m AS o, min(%(n)s * 1440 + m) OVER block AS least_o, min(m) OVER block AS least_m,
        day_of(%(n)s) + m * interval '1 min' + interval '66 s' AS t
    FROM generate_series(0, 1439) AS m, generate_series(0, 3) AS partition
    WINDOW block AS (PARTITION BY partition, m / 30)) AS points
GROUP BY partition, m / 30;
INSERT INTO provider_bars (ts, event_time_ns, symbol, made_of, open_time, open_time_ns, open, high, low, close,
    receive_time, receive_time_ns, source, partition, epoch, ordinal)
SELECT t + interval '1 min', 0, name, 'trades', t, 0, 1, 2, 1, 2, t, 0, 'binance', n %% 4, 1, m
FROM (SELECT *, day_of(%(n)s) + m * interval '1 min' AS t FROM generate_series(0, 1439, %(step)s) AS m, names) AS made;
INSERT INTO late_ticks (ts, event_time_ns, symbol, series, reason, kind, of_source, of_ordinal, receive_time,
    receive_time_ns, source, partition, epoch, ordinal)
SELECT day_of(%(n)s) + k * interval '86399 s' / (%(a_day)s / 200), 0, name, '1m', 'window_closed', 'trade', 'binance',
    k, now(), 0, 'operator', 1, 1, k
FROM generate_series(1, %(a_day)s / 200 - 1) AS k JOIN names ON names.n = k %% 100;
INSERT INTO events (ts, event_time_ns, symbol, input, template, name, detail, receive_time, receive_time_ns, source,
    partition, epoch, ordinal)
SELECT day_of(%(n)s) + k * interval '86000 s' / (%(a_day)s / 500), 0, name, 'ticks', 1, 'subscription',
    '{"action": "start", "kind": "trade", "mode": "live"}', now(), 0, 'binance', 0, 1, k
FROM generate_series(0, %(a_day)s / 500 - 1) AS k JOIN names ON names.n = k %% 100;
INSERT INTO gaps (sink, input, partition, source, reason, symbol, kind, from_time, to_time, state, receive_time,
    epoch, ordinal)
SELECT 'store', 'ticks', n %% 4, 'binance', 'disconnected', name, 'trade', t, t + interval '10 s', state, t, 1,
    (%(n)s::bigint * %(a_day)s + extract(epoch FROM t - day_of(%(n)s))::bigint * %(a_day)s / 86400) / 4 + s
FROM names, (VALUES (1, 'open', day_of(%(n)s) + interval '10 h'), (2, 'filled', day_of(%(n)s) + interval '10 h'),
    (3, 'open', day_of(%(n)s) + interval '15 h')) AS g (s, state, t);
"""
LAST = """
INSERT INTO changes_by_id (symbol, provider_id, action, price, size, source, partition, epoch, ordinal,
    stream_created_ns, sequence, receive_time)
SELECT names.name, k * 100 + 1 + n, 1 + k %% 2, 99, 1, 'binance', n %% 4, 1, k * 25 + 1, 1, k,
    day_of(day) + (k * 100 - day::bigint * %(a_day)s) * 86400 / %(a_day)s * interval '1 s' + interval '1 s'
FROM (SELECT *, (k * 100 / %(a_day)s)::integer AS day
        FROM generate_series(0::bigint, %(rows)s / 100 - 1) AS k) AS placed JOIN names ON names.n = k %% 100;
INSERT INTO trade_changes (ts, event_time_ns, symbol, of_source, of_ordinal, change, requester, note, receive_time,
    receive_time_ns, source, partition, epoch, ordinal)
SELECT day_of(0), 0, 'AAPL', 'binance', k * 25 + 1, 'cancel', 'me', '', now(), 0, 'manual', 0, 1, k
FROM generate_series(1, 1000) AS k;
INSERT INTO events (ts, event_time_ns, symbol, input, template, name, detail, receive_time, receive_time_ns, source,
    partition, epoch, ordinal)
SELECT day_of(0) - interval '20 h' + n * interval '15 h', 0, 'BTCUSDT', 'ticks', 1, 'subscription',
    format('{"action": "%%s", "kind": "trade", "mode": "historical"}', action)::jsonb, now(), 0, 'binance-history', 3,
    1, n
FROM (VALUES (0, 'start'), (1, 'stop')) AS e (n, action);
DROP TABLE made;
"""
CHART = "a chart of 20 symbols and a year of bars of a second"
# name, SQL
MORE = {
    "trades_effective of an hour": "SELECT * FROM trades_effective WHERE ts >= '2026-03-02 10:00Z'"
                                   " AND ts < '2026-03-02 11:00Z'",
    "known_at of an hour": "SELECT ts, known_at FROM trades WHERE symbol = 'AAPL' AND ts >= '2026-03-02 10:00Z'"
                           " AND ts < '2026-03-02 11:00Z'",
    "values of an hour": "SELECT * FROM indicators_latest WHERE name = 'stats.q10s.mean' AND ts >= '2026-03-02 10:00Z'"
                         " AND ts < '2026-03-02 11:00Z'",
    "standing changes": "SELECT * FROM md.trade_changes_standing",
    "rewritten": "SELECT * FROM rewritten('2026-03-02', '2026-03-03')",
    "what is live": "SELECT * FROM trades_effective WHERE symbol = 'SPY' AND ts >= now() - interval '1 h'",
    CHART: "SELECT * FROM bars_for_chart(ARRAY(SELECT 'Y' || n FROM generate_series(0, 19) AS n), '2025-01-01Z',"
           " '2026-01-01Z', 300)",
}
# Milliseconds that a question may take.
BOUNDS = {CHART: 50}


class Server:
    """A PostgreSQL of its own, which ends with the script. Nothing that it is asked lasts beyond the deadline."""

    def __init__(self, folder, is_plain, deadline):
        self.folder, self.is_plain, self.deadline = folder, is_plain, deadline
        self.data, self.process = folder / "data", None

    def begin(self):
        not_root = str(PROGRAMS / "not-root")
        subprocess.run([not_root, "-o", str(self.data), str(PROGRAMS / "initdb"), "-D", str(self.data),
                        "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        with open(self.data / "postgresql.conf", "a") as file:
            file.write(f"{SETTINGS}port = {self.port}\n")
            if not self.is_plain:
                file.write("shared_preload_libraries = 'timescaledb'\ntimescaledb.telemetry_level = off\n")
        with open(self.folder / "log", "w") as log:
            self.process = subprocess.Popen([not_root, str(PROGRAMS / "postgres"), "-D", str(self.data)],
                                            stdout=log, stderr=log, start_new_session=True)
        for _ in range(100):
            if self.run("SELECT 1", database="postgres", check=False).returncode == 0:
                return
            time.sleep(0.1)
        sys.exit(f"PostgreSQL does not begin:\n{(self.folder / 'log').read_text()[-2000:]}")

    def run(self, sql, *, database="plans", path="md,pg_temp", check=True, file=None):
        source = ["-1", "-f", str(file)] if file else ["-f", "-"]
        try:
            found = subprocess.run(
                [str(PROGRAMS / "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1",
                 "-p", str(self.port), "-U", "postgres", "-d", database, *source],
                input=sql, capture_output=True, text=True, timeout=max(1, self.deadline - time.monotonic()),
                env={**os.environ, "PGOPTIONS": f"-c search_path={path}"})
        except subprocess.TimeoutExpired:
            sys.exit(f"the minutes ended in {(file or sql.strip())!s:.300}")
        if check and found.returncode != 0:
            sys.exit(f"{file or sql[:300]}\n{found.stderr}")
        return found

    def migrate(self):
        self.run("CREATE DATABASE plans", database="postgres")
        if not self.is_plain:
            self.run("CREATE SCHEMA ext; CREATE EXTENSION timescaledb SCHEMA ext")
        self.run("CREATE SCHEMA md")
        for file in sorted(SQL.glob("migrations/*.sql")) + sorted(SQL.glob("repeatable/*.sql")):
            self.run(None, file=file)

    def stop(self):
        """Ends it, however far it has come."""
        if self.process is None:
            return
        # Fast: it waits for no session.
        self.process.send_signal(signal.SIGINT)
        self.process.wait(120)


def fill(server, rows):
    values = {"rows": rows, "a_day": max(rows // DAYS // 100 * 100, 86_400), "symbols": ",".join(SYMBOLS)}
    # About a twentieth of the ticks.
    values["step"] = max(1, round(1440 * 100 / (values["a_day"] / 20)))
    server.run(FILL % values)
    indexes = {"trade_rows": "trade_rows_symbol_ts", "quote_rows": "quote_rows_symbol_ts"}
    server.run("".join(f"DROP INDEX {name};" for name in indexes.values()))
    for n in range(DAYS):
        server.run(DAY % {**values, "n": n})
        if sys.stderr.isatty():
            print(f"\r{n + 1} of {DAYS} days", end="", file=sys.stderr, flush=True)
    server.run("".join(f"CREATE INDEX {name} ON {table} (symbol, ts);" for table, name in indexes.items()))
    server.run(LAST % values)
    tenth = max(1, round(31_536_000 * 20 / (rows / 10)))
    for table, series, width, step in (("bars_short", "1s", 1, tenth), ("bars_long", "1h", 3_600, 3_600),
                                       ("bars_long", "1d", 86_400, 86_400)):
        server.run(YEAR % {"table": table, "series": series, "width": width, "step": step})
    server.run("VACUUM ANALYZE")


def questions(server):
    """Yields the name and the SQL of each question."""
    page = (ROOT / "docs/data.md").read_text()
    for title, sql in re.findall(r"^### (\d+\. .*?)\n.*?^```sql\n(.*?)^```", page, re.M | re.S):
        yield title, sql
    comments = server.run(
        "SELECT coalesce(jsonb_agg(said), '[]') FROM (SELECT obj_description(c.oid, 'pg_class') AS said FROM pg_class c"
        " WHERE c.relnamespace = 'md_market'::regnamespace AND c.relkind = 'v' UNION ALL SELECT obj_description(p.oid,"
        " 'pg_proc') FROM pg_proc p WHERE p.pronamespace = 'md_market'::regnamespace) AS c WHERE said LIKE '%SELECT%'")
    for said in json.loads(comments.stdout):
        sql = said[said.index("SELECT"):].replace("2026-11-20", "2026-03-02").replace("2026-11-21", "2026-03-03")
        yield "example: " + re.search(r"FROM (\w+)", sql)[1], sql
    yield from MORE.items()


ASK = """
SET timezone = 'UTC'; SET statement_timeout = '{seconds}s'; SET jit = off;
BEGIN;
EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql};
\\echo --
WITH RECURSIVE under AS (
    SELECT c.oid, c.oid AS root FROM pg_class c WHERE c.relnamespace = 'md'::regnamespace AND c.relkind IN ('r', 'p')
        AND NOT c.relispartition
    UNION ALL
    SELECT i.inhrelid, u.root FROM pg_inherits i JOIN under u ON i.inhparent = u.oid
), counted AS (
    SELECT u.root::regclass::text AS name, sum(pg_stat_get_xact_tuples_returned(u.oid)
            * (SELECT (count(*) = 0)::integer FROM pg_index x WHERE x.indexrelid = u.oid)
            + pg_stat_get_xact_tuples_fetched(u.oid)) AS read,
        sum(greatest(c.reltuples, 0)) FILTER (WHERE c.relkind = 'r') AS rows
    FROM under u JOIN pg_class c ON c.oid = u.oid GROUP BY u.root
)
SELECT coalesce(jsonb_agg(to_jsonb(c) ORDER BY read / rows DESC), '[]') FROM counted c
WHERE rows >= {least} AND read > 0;
COMMIT;
"""


def ask(server, name, sql):
    """Asks one question. Returns its row of the table, and what is wrong with it."""
    found = server.run(ASK.format(sql=sql.strip().rstrip(";"), seconds=SECONDS_MAX, least=ROWS_LEAST),
                       path="md_market,md", check=False)
    if found.returncode != 0:
        return (name, "", "", "", "", ""), found.stderr.strip().splitlines()[0]
    plan, counts = found.stdout.split("\n--\n")
    root = json.loads(plan)[0]
    buffers = sum(root["Plan"].get(f"Shared {kind} Blocks", 0) for kind in ("Hit", "Read"))
    read = json.loads(counts)
    table, part, rows = "", 0, 0
    if read:
        table, rows = read[0]["name"].removeprefix("md."), read[0]["read"]
        part = rows / read[0]["rows"]
    row = (name, table, f"{part:.2%}" if table else "", f"{rows:,.0f}" if table else "", f"{buffers:,}",
           f"{root['Execution Time']:,.1f}")
    bound = BOUNDS.get(name, SECONDS_MAX * 1e3)
    if root["Execution Time"] > bound:
        return row, f"takes {root['Execution Time']:.0f} ms, not {bound:.0f}"
    return row, f"reads {part:.0%} of {table}" if part > PART_MAX else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--minutes", type=float, default=75)
    parser.add_argument("--folder", help="where the database is; its disk needs the room (the temporary folder)")
    parser.add_argument("--plain", action="store_true", help="native partitions, without TimescaleDB")
    parser.add_argument("--keep", action="store_true", help="leaves the database running")
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tapeline-plans-", dir=options.folder))
    room, needed = shutil.disk_usage(folder).free, options.rows * BYTES_A_ROW + 3 * 2**30
    if room < needed:
        folder.rmdir()
        sys.exit(f"{options.rows:,} rows need {needed / 2**30:.0f} GiB, and {folder.parent} has "
                 f"{room / 2**30:.0f} GiB free")
    folder.chmod(0o755)
    began = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    server = Server(folder, options.plain, began + options.minutes * 60)
    try:
        server.begin()
        server.migrate()
        fill(server, options.rows)
        bytes_used = server.run("SELECT pg_size_pretty(pg_database_size('plans'))").stdout.strip()
        print(f"{options.rows:,} ticks, {bytes_used}, made in {(time.monotonic() - began) / 60:.1f} min\n")
        print("| question | table | part | rows | buffers | ms |\n| --- | --- | --- | --- | --- | --- |")
        wrong = []
        for name, sql in questions(server):
            for _ in range(2 if name in BOUNDS else 1):
                row, fault = ask(server, name, sql)
            print("| " + " | ".join(row) + " |", flush=True)
            if fault:
                wrong.append(f"{name}: {fault}")
        print(f"\n{(time.monotonic() - began) / 60:.1f} min")
        print("\n".join(f"✘ {one}" for one in wrong) or "no question reads a whole table")
        sys.exit(1 if wrong else 0)
    finally:
        if options.keep and server.process is not None:
            print(f"left running: port {server.port}, process {server.process.pid}, folder {folder}")
        else:
            server.stop()
            # What a killed initdb began ends by itself, and meanwhile removes its own files.
            for _ in range(100):
                shutil.rmtree(folder, ignore_errors=True)
                if not folder.exists():
                    break
                time.sleep(0.1)


main()
