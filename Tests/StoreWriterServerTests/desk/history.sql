-- What `tapeline load` and a live gateway store of 2026-03-02: the past of each symbol of the source x, under
-- x-history, and live trades from 10:00:30 on. Each symbol is a case.
SELECT make_time_partition(t, '2026-03-02 12:00+00')
FROM unnest(ARRAY['trades', 'bars_short', 'events']) AS t;

-- By id: two trades a second with one time. The live ones begin with the second of two.
-- Without ids: the times differ by nanoseconds within a microsecond.
-- Mixed: ids do not ascend with time, and two live trades were reported late.
-- New: no live trade yet. Short: the load ended within a minute. Running: it has not ended.
-- Twice: it was loaded again, in part.
CREATE TEMPORARY TABLE plans AS
SELECT * FROM (VALUES ('ID', 1, 1), ('TIME', 2, 0), ('MIXED', 3, 7919), ('NEW', 4, 1), ('SHORT', 5, 1),
    ('RUNNING', 6, 1), ('TWICE', 7, 1)) AS p (symbol, number, step);

-- The whole market: number n from 09:50 on.
CREATE TEMPORARY TABLE market AS
SELECT p.symbol, n, CASE WHEN step = 0 THEN '2026-03-02 09:50+00'::timestamptz + n / 4 * interval '2 s'
        ELSE '2026-03-02 09:50+00'::timestamptz + n / 2 * interval '1 s' END AS ts,
    CASE WHEN step = 0 THEN n % 4 * 200 ELSE 0 END AS rest, n * step % 10007 + 1 AS id, step
FROM plans p, generate_series(0, 2399) AS n;

CREATE TEMPORARY TABLE stored AS
SELECT *, 'x-history' AS source FROM market WHERE ts < CASE symbol WHEN 'SHORT' THEN '2026-03-02 10:00:40+00'
    WHEN 'TWICE' THEN '2026-03-02 09:56+00' ELSE '2026-03-02 10:05+00' END::timestamptz
UNION ALL
SELECT *, 'x-history-2' FROM market WHERE symbol = 'TWICE'
    AND ts >= '2026-03-02 09:54+00' AND ts < '2026-03-02 10:05+00'
UNION ALL
-- 1263 is the second trade of 10:00:31, and 1262 the third of four.
SELECT *, 'x' FROM market WHERE symbol <> 'NEW' AND n >= CASE WHEN step = 0 THEN 1262 ELSE 1263 END
UNION ALL
-- Reported late, and very late: a minute before the subscription and earlier.
SELECT *, 'x' FROM market WHERE symbol = 'MIXED' AND n IN (1190, 300);

INSERT INTO trades (ts, event_time_ns, symbol, price, size, action, flags, provider, provider_id,
    receive_time, receive_time_ns, source, partition, epoch, ordinal)
SELECT ts, (extract(epoch FROM ts) * 1000000000)::bigint + rest, symbol, 100 + n % 50, 1, 0, 0, 'test',
    nullif(id * least(step, 1), 0), ts, 0, source, 0, 1,
    row_number() OVER (PARTITION BY source ORDER BY symbol, source = 'x' AND n < 1262, n)
FROM stored;
-- Live: a snapshot at the start of the subscription, a trade that was fetched later, and a cancel of a
-- trade of the past.
INSERT INTO trades (ts, event_time_ns, symbol, price, size, action, flags, provider, provider_id,
    receive_time, receive_time_ns, source, partition, epoch, ordinal)
SELECT ts, event_time_ns, symbol, price, size, v.action, v.flags, provider, provider_id, receive_time, 0,
    'x', 0, 1, v.ordinal
FROM trades t, (VALUES (1, 0, 900001, 1255), (4, 0, 900002, 1262), (0, 2, 900003, 100)) AS v (flags, action, ordinal, id)
WHERE t.symbol = 'ID' AND t.source = 'x-history' AND t.provider_id = v.id;

INSERT INTO events (ts, event_time_ns, symbol, input, template, name, detail, receive_time,
    receive_time_ns, source, partition, epoch, ordinal)
SELECT ts::timestamptz, 0, symbol, 'ticks', 1, 'subscription', jsonb_build_object('action', v.action,
    'kind', 'trade', 'mode', v.mode, 'provider', 'test'), ts::timestamptz, 0, v.source, 0, 1, v.ordinal
FROM plans p, (VALUES
    ('2026-03-02 09:50+00', 'start', 'historical', 'x-history', 0, NULL),
    ('2026-03-02 10:05+00', 'stop', 'historical', 'x-history', 999999, '{ID,TIME,MIXED,NEW}'),
    ('2026-03-02 10:00:40+00', 'stop', 'historical', 'x-history', 999999, '{SHORT}'),
    ('2026-03-02 09:56+00', 'stop', 'historical', 'x-history', 999999, '{TWICE}'),
    ('2026-03-02 09:54+00', 'start', 'historical', 'x-history-2', 0, '{TWICE}'),
    ('2026-03-02 10:05+00', 'stop', 'historical', 'x-history-2', 999999, '{TWICE}'),
    ('2026-03-02 10:00:30.5+00', 'start', 'live', 'x', 0, '{ID,TIME,MIXED,SHORT,RUNNING,TWICE}'),
    ('2026-03-02 10:08+00', 'start', 'live', 'x', 999999, '{ID}'))
    AS v (ts, action, mode, source, ordinal, symbols)
WHERE v.symbols IS NULL OR p.symbol = ANY (v.symbols::text[]);

-- Bars of each source: minutes, and bars of 100 trades, which a source counts from its first trade on.
INSERT INTO bars_short (symbol, series, ts, number, open, high, low, close, volume, vwap, notional, trades,
    open_time_ns, close_time, close_time_ns, revision, reason, partial, source, partition, ordinal)
SELECT symbol, series, CASE series WHEN '1m' THEN date_trunc('minute', min(ts)) ELSE min(ts) END, number,
    (array_agg(price ORDER BY n))[1], max(price), min(price), (array_agg(price ORDER BY n DESC))[1],
    sum(size), avg(price), sum(price * size), count(*), 0,
    CASE series WHEN '1m' THEN date_trunc('minute', min(ts)) + interval '1 min' ELSE max(ts) END, 0, 1,
    'closed', series = '1m' AND source = 'x' AND min(ts) < '2026-03-02 10:01+00', source, 0,
    row_number() OVER (ORDER BY symbol, source, series, min(ts))
FROM (
    SELECT *, row_number() OVER (PARTITION BY symbol, source ORDER BY ts, event_time_ns, ordinal) - 1 AS n
    FROM trades WHERE action = 0 AND flags = 0
) AS t
CROSS JOIN LATERAL (VALUES ('1m', 0, date_trunc('minute', t.ts)), ('100t', t.n / 100, NULL))
    AS s (series, number, minute)
WHERE series = '1m' OR symbol = 'ID'
GROUP BY symbol, source, series, number, minute;

INSERT INTO sink_positions (sink, input, partition, owner_epoch) VALUES ('store', 'ticks', 0, 1);
INSERT INTO sink_source_ordinals (sink, input, partition, source, first_ordinal, last_ordinal)
SELECT 'store', 'ticks', 0, source, 1, 1 FROM unnest(ARRAY['x', 'x-history', 'x-history-2']) AS source;
