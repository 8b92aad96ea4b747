-- What providers give beside ticks on 2026-03-02: a bar of AAPL that comes three times, a headline, a bulletin, an
-- option, a document in two parts that are cut within a letter, and a value that is revised. News of MSFT are
-- subscribed, and none came. The tape took each row a second after its receipt.
SELECT make_time_partition(t, '2026-03-02 12:00+00')
FROM unnest(ARRAY['provider_bars', 'news', 'options', 'fundamentals', 'indicators']) AS t;

CREATE TEMPORARY VIEW told AS
SELECT n, (at || '+00')::timestamptz AS ts,
    (extract(epoch FROM (at || '+00')::timestamptz) * 1000000000)::bigint AS ns,
    (received || '+00')::timestamptz AS receive_time, 0 AS receive_time_ns, 'side' AS source,
    1 AS partition, 1 AS epoch, 90000 + n AS ordinal
FROM (VALUES
    (1, '2026-03-02 14:41:00', '2026-03-02 14:40:30'),
    (2, '2026-03-02 14:41:00', '2026-03-02 14:41:00'),
    (3, '2026-03-02 14:41:00', '2026-03-02 14:50:00'),
    (4, '2026-03-02 14:45:00', '2026-03-02 14:45:00'),
    (5, '2026-03-02 14:46:00', '2026-03-02 14:46:00'),
    (6, '2026-03-02 14:47:00', '2026-03-02 14:47:00'),
    (7, '2026-03-02 14:48:00', '2026-03-02 14:48:00'),
    (8, '2026-03-02 14:48:00', '2026-03-02 14:48:00'),
    (9, '2026-03-02 14:49:00', '2026-03-02 14:49:00'),
    (10, '2026-03-02 15:10:00', '2026-03-02 15:10:00')
) AS row (n, at, received);

INSERT INTO provider_bars (ts, event_time_ns, symbol, made_of, open_time, open_time_ns, open, high, low, close, volume,
    trades, bar_flags, receive_time, receive_time_ns, source, partition, epoch, ordinal)
SELECT ts, ns, 'AAPL', 'trades', ts - interval '1 min', ns - 60000000000, 180, 181, 179.5, 180 + n * 0.25, 100 * n,
    10 * n, (ARRAY[1, 0, 4])[n], receive_time, receive_time_ns, source, partition, epoch, ordinal
FROM told WHERE n <= 3;

INSERT INTO news (ts, event_time_ns, symbol, kind, publisher, article, body, extra, bulletin_kind, exchange,
    receive_time, receive_time_ns, source, partition, epoch, ordinal)
SELECT ts, ns, CASE n WHEN 4 THEN 'AAPL' END, CASE n WHEN 4 THEN 'headline' ELSE 'bulletin' END,
    CASE n WHEN 4 THEN 'BRFG' END, CASE n WHEN 4 THEN 'BRFG$1' END,
    CASE n WHEN 4 THEN 'Größe' ELSE 'closed' END, NULL, CASE n WHEN 5 THEN 'exchange_unavailable' END,
    CASE n WHEN 5 THEN 'NYSE' END, receive_time, receive_time_ns, source, partition, epoch, ordinal
FROM told WHERE n IN (4, 5);

INSERT INTO options (ts, event_time_ns, symbol, computed_from, basis, implied_volatility, delta, option_price,
    receive_time, receive_time_ns, source, partition, epoch, ordinal)
SELECT ts, ns, 'AAPL 260320C00180000', 'bid', 'returns', 0.273456789, 0.5, 4.2, receive_time, receive_time_ns, source,
    partition, epoch, ordinal
FROM told WHERE n = 6;

INSERT INTO fundamentals (ts, event_time_ns, symbol, report, part, parts, document_bytes, content, provider_id,
    receive_time, receive_time_ns, source, partition, epoch, ordinal)
SELECT ts, ns, 'AAPL', 'ReportSnapshot', n - 7, 2, 10,
    CASE n WHEN 7 THEN '\x3c723ec3'::bytea ELSE '\xa43c2f723e0a'::bytea END, 77, receive_time, receive_time_ns, source,
    partition, epoch, ordinal
FROM told WHERE n IN (7, 8);

INSERT INTO indicators (ts, event_time_ns, symbol, name, value, unit, period_start, period_start_ns, period_end,
    period_end_ns, revision, receive_time, receive_time_ns, source, partition, epoch, ordinal)
SELECT ts, ns, 'DGS10', 'value', 4.1 + n * 0.01, 'percent', '2026-03-01+00', 1772323200000000000, '2026-03-02+00',
    1772409600000000000, n - 9, receive_time, receive_time_ns, source, partition, epoch, ordinal
FROM told WHERE n IN (9, 10);

INSERT INTO events (ts, event_time_ns, symbol, input, template, name, detail, receive_time, receive_time_ns, source,
    partition, epoch, ordinal)
VALUES ('2026-03-02 14:35+00', 1772462100000000000, 'MSFT', 'ticks', 0, 'subscription',
    '{"action": "start", "kind": "news"}', '2026-03-02 14:35+00', 0, 'side', 2, 1, 90011);

INSERT INTO gaps (sink, input, partition, source, reason, symbol, kind, from_time, to_time, state, receive_time,
    epoch, ordinal)
VALUES ('store', 'ticks', 1, 'side', 'disconnected', 'DGS10', 'indicator', '2026-03-02 16:00+00',
    '2026-03-02 16:01+00', 'abandoned', '2026-03-02 16:01+00', 1, 90012);

INSERT INTO stored_stretches (input, partition, source, first_ordinal, last_ordinal, taken_from, starts, delays_us,
    apart_ms)
SELECT 'ticks', partition, source, ordinal, ordinal, receive_time + interval '1 s', '{0}', '{0}', '{0}' FROM told;
