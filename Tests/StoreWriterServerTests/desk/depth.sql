-- Books on 2026-03-02, of the partitions that data_page.sql has: AAPL of one source, over a hole and over a row
-- that is stamped ahead; SPY of two sources.
SELECT make_time_partition('depth', '2026-03-02 12:00+00');

INSERT INTO depth (ts, event_time_ns, symbol, operation, side, position, price, size, market_maker, reason,
    provider, receive_time, receive_time_ns, source, partition, epoch, ordinal)
SELECT ts, (extract(epoch FROM ts) * 1000000000)::bigint, symbol, operation, side, position, price, size,
    coalesce(market_maker, ''), CASE WHEN place = 13 THEN 'repeated' WHEN operation = 'reset' THEN 'disconnected' END,
    'test', ts, 0, source, CASE symbol WHEN 'AAPL' THEN 1 ELSE 3 END, 1, 70000 + place
FROM (VALUES
    (1, '14:40:00', 'AAPL', 'test', 'insert', 'bid', 0, 1.00, 1, NULL),
    (2, '14:40:01', 'AAPL', 'test', 'reset', NULL, NULL, NULL, NULL, NULL),
    (3, '14:40:02', 'AAPL', 'test', 'insert', 'bid', 0, 180.10, 100, 'NYSE'),
    (4, '14:40:02', 'AAPL', 'test', 'insert', 'bid', 1, 180.00, 300, 'ARCA'),
    (5, '14:40:02', 'AAPL', 'test', 'insert', 'ask', 0, 180.20, 200, 'NYSE'),
    (6, '14:40:03', 'AAPL', 'test', 'insert', 'bid', 0, 180.15, 50, 'BATS'),
    (7, '14:40:04', 'AAPL', 'test', 'update', 'bid', 1, 180.10, 150.25, 'NYSE'),
    (8, '14:40:05', 'AAPL', 'test', 'delete', 'bid', 0, NULL, NULL, NULL),
    -- Stamped ahead of the next one, which the tape has after it.
    (9, '14:40:20', 'AAPL', 'test', 'insert', 'ask', 1, 180.30, 10, 'NYSE'),
    (10, '14:40:10', 'AAPL', 'test', 'delete', 'ask', 1, NULL, NULL, NULL),
    (11, '14:40:30', 'AAPL', 'test', 'update', 'ask', 0, 180.21, 1, 'NYSE'),
    -- Of a book that lost a row: no row 7.
    (12, '14:50:00', 'AAPL', 'test', 'update', 'ask', 7, 180.40, 1, 'NYSE'),
    -- The gateway repeats it.
    (13, '14:50:30', 'AAPL', 'test', 'reset', NULL, NULL, NULL, NULL, NULL),
    (14, '14:50:30', 'AAPL', 'test', 'insert', 'bid', 0, 180.10, 5, 'NYSE'),
    (15, '14:50:30', 'AAPL', 'test', 'insert', 'ask', 0, 180.21, 1, 'NYSE'),
    (20, '14:40:00', 'SPY', 'test', 'reset', NULL, NULL, NULL, NULL, NULL),
    (21, '14:40:01', 'SPY', 'test', 'insert', 'bid', 0, 505, 1, NULL),
    (22, '14:40:01', 'SPY', 'second', 'reset', NULL, NULL, NULL, NULL, NULL),
    (23, '14:40:02', 'SPY', 'second', 'insert', 'bid', 0, 506, 1, NULL)
) AS row (place, at, symbol, source, operation, side, position, price, size, market_maker),
    LATERAL (SELECT ('2026-03-02 ' || at || '+00')::timestamptz AS ts) AS moment;

INSERT INTO gaps (sink, input, partition, source, reason, symbol, kind, from_time, to_time, state, receive_time,
    epoch, ordinal)
VALUES ('store', 'ticks', 3, 'test', 'disconnected', 'SPY', 'depth', '2026-03-02 15:00+00',
    '2026-03-02 15:01+00', 'abandoned', '2026-03-02 15:01+00', 1, 80000);
