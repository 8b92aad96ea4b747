-- What 'store-writer migrate' makes, and 'make pages' writes here.

CREATE TABLE IF NOT EXISTS trades (
    ts DateTime64(6, 'UTC'),
    ts_rest_ns Int64,
    receive_time DateTime64(6, 'UTC'),
    receive_rest_ns Int64,
    symbol LowCardinality(String),
    price Nullable(Decimal(38, 9)),
    size Nullable(Decimal(38, 8)),
    exchange LowCardinality(String),
    conditions LowCardinality(String),
    action Int64,
    flags Int64,
    time_resolution Int64,
    provider LowCardinality(String),
    of_source LowCardinality(String),
    provider_id UInt64,
    source LowCardinality(String),
    partition Int64,
    epoch Int64,
    ordinal Int64,
    taken_at Nullable(DateTime64(6, 'UTC')),
    INDEX ordinals ordinal TYPE minmax GRANULARITY 1,
    INDEX sources source TYPE set(64) GRANULARITY 1
) ENGINE = MergeTree
PARTITION BY toYYYYMMDD(ts)
ORDER BY (symbol, ts, source, ordinal)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS quotes (
    ts DateTime64(6, 'UTC'),
    ts_rest_ns Int64,
    receive_time DateTime64(6, 'UTC'),
    receive_rest_ns Int64,
    symbol LowCardinality(String),
    bid_price Nullable(Decimal(38, 9)),
    bid_size Nullable(Decimal(38, 8)),
    ask_price Nullable(Decimal(38, 9)),
    ask_size Nullable(Decimal(38, 8)),
    bid_exchange LowCardinality(String),
    ask_exchange LowCardinality(String),
    flags Int64,
    time_resolution Int64,
    provider LowCardinality(String),
    of_source LowCardinality(String),
    provider_id UInt64,
    source LowCardinality(String),
    partition Int64,
    epoch Int64,
    ordinal Int64,
    taken_at Nullable(DateTime64(6, 'UTC')),
    INDEX ordinals ordinal TYPE minmax GRANULARITY 1,
    INDEX sources source TYPE set(64) GRANULARITY 1
) ENGINE = MergeTree
PARTITION BY toYYYYMMDD(ts)
ORDER BY (symbol, ts, source, ordinal)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS depth (
    ts DateTime64(6, 'UTC'),
    event_time_ns Int64,
    symbol LowCardinality(String),
    operation LowCardinality(Nullable(String)),
    side LowCardinality(Nullable(String)),
    position Nullable(Int64),
    price Nullable(Decimal(38, 9)),
    size Nullable(Decimal(38, 8)),
    market_maker LowCardinality(Nullable(String)),
    book_flags Nullable(Int64),
    reason LowCardinality(Nullable(String)),
    flags Int64,
    provider LowCardinality(String),
    provider_id Nullable(UInt64),
    provider_time Nullable(DateTime64(6, 'UTC')),
    time_resolution Int64,
    receive_time Nullable(DateTime64(6, 'UTC')),
    receive_time_ns Nullable(Int64),
    source LowCardinality(String),
    partition Int64,
    epoch Int64,
    ordinal Int64,
    taken_at Nullable(DateTime64(6, 'UTC')),
    INDEX ordinals ordinal TYPE minmax GRANULARITY 1,
    INDEX sources source TYPE set(64) GRANULARITY 1
) ENGINE = MergeTree
PARTITION BY toYYYYMMDD(ts)
ORDER BY (symbol, ts, source, ordinal)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS options (
    ts DateTime64(6, 'UTC'),
    event_time_ns Int64,
    symbol LowCardinality(String),
    computed_from LowCardinality(Nullable(String)),
    basis LowCardinality(Nullable(String)),
    implied_volatility Nullable(Decimal(38, 9)),
    delta Nullable(Decimal(38, 9)),
    gamma Nullable(Decimal(38, 9)),
    vega Nullable(Decimal(38, 9)),
    theta Nullable(Decimal(38, 9)),
    option_price Nullable(Decimal(38, 9)),
    dividends Nullable(Decimal(38, 9)),
    underlying_price Nullable(Decimal(38, 9)),
    flags Int64,
    provider LowCardinality(String),
    provider_id Nullable(UInt64),
    provider_time Nullable(DateTime64(6, 'UTC')),
    time_resolution Int64,
    receive_time Nullable(DateTime64(6, 'UTC')),
    receive_time_ns Nullable(Int64),
    source LowCardinality(String),
    partition Int64,
    epoch Int64,
    ordinal Int64,
    taken_at Nullable(DateTime64(6, 'UTC')),
    INDEX ordinals ordinal TYPE minmax GRANULARITY 1,
    INDEX sources source TYPE set(64) GRANULARITY 1
) ENGINE = MergeTree
PARTITION BY toYYYYMMDD(ts)
ORDER BY (symbol, ts, source, ordinal)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS news (
    ts DateTime64(6, 'UTC'),
    event_time_ns Int64,
    symbol LowCardinality(String),
    kind LowCardinality(Nullable(String)),
    publisher LowCardinality(Nullable(String)),
    article Nullable(String),
    body Nullable(String),
    extra Nullable(String),
    bulletin_kind LowCardinality(Nullable(String)),
    exchange LowCardinality(Nullable(String)),
    flags Int64,
    provider LowCardinality(String),
    provider_id Nullable(UInt64),
    provider_time Nullable(DateTime64(6, 'UTC')),
    time_resolution Int64,
    receive_time Nullable(DateTime64(6, 'UTC')),
    receive_time_ns Nullable(Int64),
    source LowCardinality(String),
    partition Int64,
    epoch Int64,
    ordinal Int64,
    taken_at Nullable(DateTime64(6, 'UTC')),
    INDEX ordinals ordinal TYPE minmax GRANULARITY 1,
    INDEX sources source TYPE set(64) GRANULARITY 1
) ENGINE = MergeTree
PARTITION BY toYYYYMM(ts)
ORDER BY (symbol, ts, source, ordinal)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS fundamentals (
    ts DateTime64(6, 'UTC'),
    event_time_ns Int64,
    symbol LowCardinality(String),
    report LowCardinality(Nullable(String)),
    part Nullable(Int64),
    parts Nullable(Int64),
    document_bytes Nullable(Int64),
    content Nullable(String),
    flags Int64,
    provider LowCardinality(String),
    provider_id Nullable(UInt64),
    provider_time Nullable(DateTime64(6, 'UTC')),
    time_resolution Int64,
    receive_time Nullable(DateTime64(6, 'UTC')),
    receive_time_ns Nullable(Int64),
    source LowCardinality(String),
    partition Int64,
    epoch Int64,
    ordinal Int64,
    taken_at Nullable(DateTime64(6, 'UTC')),
    INDEX ordinals ordinal TYPE minmax GRANULARITY 1,
    INDEX sources source TYPE set(64) GRANULARITY 1
) ENGINE = MergeTree
PARTITION BY toYYYYMM(ts)
ORDER BY (symbol, ts, source, ordinal)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS indicators (
    ts DateTime64(6, 'UTC'),
    event_time_ns Int64,
    symbol LowCardinality(String),
    name LowCardinality(Nullable(String)),
    unit LowCardinality(Nullable(String)),
    value Nullable(Decimal(38, 9)),
    period_start Nullable(DateTime64(6, 'UTC')),
    period_start_ns Nullable(Int64),
    period_end Nullable(DateTime64(6, 'UTC')),
    period_end_ns Nullable(Int64),
    revision Int64,
    of_source LowCardinality(String),
    flags Int64,
    provider LowCardinality(String),
    provider_id Nullable(UInt64),
    provider_time Nullable(DateTime64(6, 'UTC')),
    time_resolution Int64,
    receive_time Nullable(DateTime64(6, 'UTC')),
    receive_time_ns Nullable(Int64),
    source LowCardinality(String),
    partition Int64,
    epoch Int64,
    ordinal Int64,
    taken_at Nullable(DateTime64(6, 'UTC')),
    INDEX ordinals ordinal TYPE minmax GRANULARITY 1,
    INDEX sources source TYPE set(64) GRANULARITY 1
) ENGINE = MergeTree
PARTITION BY toYYYYMM(ts)
ORDER BY (symbol, ts, source, ordinal)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS provider_bars (
    ts DateTime64(6, 'UTC'),
    event_time_ns Int64,
    symbol LowCardinality(String),
    made_of LowCardinality(Nullable(String)),
    open_time Nullable(DateTime64(6, 'UTC')),
    open_time_ns Nullable(Int64),
    open Nullable(Decimal(38, 9)),
    high Nullable(Decimal(38, 9)),
    low Nullable(Decimal(38, 9)),
    close Nullable(Decimal(38, 9)),
    vwap Nullable(Decimal(38, 9)),
    volume Nullable(Decimal(38, 8)),
    trades Nullable(Int64),
    bar_flags Nullable(Int64),
    provider_time_ns Nullable(Int64),
    flags Int64,
    provider LowCardinality(String),
    provider_id Nullable(UInt64),
    provider_time Nullable(DateTime64(6, 'UTC')),
    time_resolution Int64,
    receive_time Nullable(DateTime64(6, 'UTC')),
    receive_time_ns Nullable(Int64),
    source LowCardinality(String),
    partition Int64,
    epoch Int64,
    ordinal Int64,
    taken_at Nullable(DateTime64(6, 'UTC')),
    INDEX ordinals ordinal TYPE minmax GRANULARITY 1,
    INDEX sources source TYPE set(64) GRANULARITY 1
) ENGINE = MergeTree
PARTITION BY toYYYYMM(ts)
ORDER BY (symbol, ts, source, ordinal)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS gaps (
    sink LowCardinality(Nullable(String)),
    input LowCardinality(Nullable(String)),
    partition Int64,
    source LowCardinality(String),
    reason LowCardinality(Nullable(String)),
    detail Nullable(String),
    symbol LowCardinality(String),
    kind LowCardinality(Nullable(String)),
    from_time Nullable(DateTime64(6, 'UTC')),
    from_time_ns Nullable(Int64),
    to_time Nullable(DateTime64(6, 'UTC')),
    to_time_ns Nullable(Int64),
    state LowCardinality(Nullable(String)),
    lost_first_ordinal Nullable(Int64),
    lost_last_ordinal Nullable(Int64),
    receive_time Nullable(DateTime64(6, 'UTC')),
    epoch Int64,
    ordinal Int64,
    taken_at Nullable(DateTime64(6, 'UTC')),
    INDEX ordinals ordinal TYPE minmax GRANULARITY 1,
    INDEX sources source TYPE set(64) GRANULARITY 1
) ENGINE = MergeTree
PARTITION BY tuple()
ORDER BY (source, partition, ordinal)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS events (
    ts DateTime64(6, 'UTC'),
    event_time_ns Int64,
    symbol LowCardinality(String),
    input LowCardinality(Nullable(String)),
    template Nullable(Int64),
    name LowCardinality(Nullable(String)),
    detail Nullable(String),
    payload Nullable(String),
    flags Int64,
    provider LowCardinality(String),
    provider_id Nullable(UInt64),
    provider_time Nullable(DateTime64(6, 'UTC')),
    time_resolution Int64,
    receive_time Nullable(DateTime64(6, 'UTC')),
    receive_time_ns Nullable(Int64),
    source LowCardinality(String),
    partition Int64,
    epoch Int64,
    ordinal Int64,
    taken_at Nullable(DateTime64(6, 'UTC')),
    INDEX ordinals ordinal TYPE minmax GRANULARITY 1,
    INDEX sources source TYPE set(64) GRANULARITY 1
) ENGINE = MergeTree
PARTITION BY toYYYYMM(ts)
ORDER BY (symbol, ts, source, ordinal)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS bar_versions (
    symbol LowCardinality(String),
    series LowCardinality(String),
    ts DateTime64(6, 'UTC'),
    number Int64,
    open Nullable(Decimal(38, 9)),
    high Nullable(Decimal(38, 9)),
    low Nullable(Decimal(38, 9)),
    close Nullable(Decimal(38, 9)),
    volume Nullable(Decimal(38, 8)),
    vwap Nullable(Decimal(38, 9)),
    notional Nullable(Decimal(38, 17)),
    trades Nullable(Int64),
    excluded Nullable(Int64),
    excluded_condition Nullable(Int64),
    excluded_odd_lot Nullable(Int64),
    excluded_filter Nullable(Int64),
    excluded_undefined Nullable(Int64),
    open_time_ns Nullable(Int64),
    close_time Nullable(DateTime64(6, 'UTC')),
    close_time_ns Nullable(Int64),
    generation Nullable(Int64),
    revision Int64,
    reason LowCardinality(Nullable(String)),
    partial Nullable(Bool),
    mixed_providers Nullable(Bool),
    source LowCardinality(String),
    partition Int64,
    ordinal Int64,
    withdrawn Nullable(Bool),
    filled Nullable(Bool),
    lateness_ns Nullable(Int64),
    sent_at Nullable(DateTime64(6, 'UTC')),
    taken_at Nullable(DateTime64(6, 'UTC')),
    INDEX ordinals ordinal TYPE minmax GRANULARITY 1,
    INDEX sources source TYPE set(64) GRANULARITY 1
) ENGINE = MergeTree
PARTITION BY toYYYYMM(ts)
ORDER BY (symbol, series, ts, number, source, revision)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS late_ticks (
    ts DateTime64(6, 'UTC'),
    event_time_ns Int64,
    symbol LowCardinality(String),
    series LowCardinality(String),
    reason LowCardinality(Nullable(String)),
    kind LowCardinality(Nullable(String)),
    price Nullable(Decimal(38, 9)),
    size Nullable(Decimal(38, 8)),
    exchange LowCardinality(Nullable(String)),
    conditions LowCardinality(String),
    ask_price Nullable(Decimal(38, 9)),
    ask_size Nullable(Decimal(38, 8)),
    open_time Nullable(DateTime64(6, 'UTC')),
    open_time_ns Nullable(Int64),
    close_time Nullable(DateTime64(6, 'UTC')),
    close_time_ns Nullable(Int64),
    of_source LowCardinality(String),
    of_ordinal Nullable(Int64),
    action Int64,
    flags Int64,
    provider LowCardinality(String),
    provider_id Nullable(UInt64),
    provider_time Nullable(DateTime64(6, 'UTC')),
    time_resolution Int64,
    receive_time Nullable(DateTime64(6, 'UTC')),
    receive_time_ns Nullable(Int64),
    source LowCardinality(String),
    partition Int64,
    epoch Int64,
    ordinal Int64,
    taken_at Nullable(DateTime64(6, 'UTC')),
    INDEX ordinals ordinal TYPE minmax GRANULARITY 1,
    INDEX sources source TYPE set(64) GRANULARITY 1
) ENGINE = MergeTree
PARTITION BY toYYYYMM(ts)
ORDER BY (symbol, ts, source, ordinal)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS trade_changes (
    ts DateTime64(6, 'UTC'),
    event_time_ns Int64,
    symbol LowCardinality(String),
    of_source LowCardinality(String),
    of_ordinal Nullable(Int64),
    change LowCardinality(Nullable(String)),
    price Nullable(Decimal(38, 9)),
    size Nullable(Decimal(38, 8)),
    requester Nullable(String),
    note Nullable(String),
    flags Int64,
    provider LowCardinality(String),
    provider_id Nullable(UInt64),
    provider_time Nullable(DateTime64(6, 'UTC')),
    time_resolution Int64,
    receive_time Nullable(DateTime64(6, 'UTC')),
    receive_time_ns Nullable(Int64),
    source LowCardinality(String),
    partition Int64,
    epoch Int64,
    ordinal Int64,
    taken_at Nullable(DateTime64(6, 'UTC')),
    INDEX ordinals ordinal TYPE minmax GRANULARITY 1,
    INDEX sources source TYPE set(64) GRANULARITY 1
) ENGINE = MergeTree
PARTITION BY toYYYYMM(ts)
ORDER BY (symbol, ts, source, ordinal)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS ordinal_gaps (
    input LowCardinality(String),
    partition Int64,
    source LowCardinality(String),
    first_ordinal Int64,
    last_ordinal Int64,
    reason LowCardinality(String),
    epoch Int64,
    stream_created_ns Int64,
    sequence Int64,
    INDEX ordinals first_ordinal TYPE minmax GRANULARITY 1,
    INDEX sources source TYPE set(64) GRANULARITY 1
) ENGINE = MergeTree
PARTITION BY tuple()
ORDER BY (source, partition, first_ordinal)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS fills (
    input LowCardinality(String),
    partition Int64,
    source LowCardinality(String),
    first_ordinal Int64,
    last_ordinal Int64,
    rows Int64,
    from_store LowCardinality(String),
    INDEX ordinals first_ordinal TYPE minmax GRANULARITY 1,
    INDEX sources source TYPE set(64) GRANULARITY 1
) ENGINE = MergeTree
PARTITION BY tuple()
ORDER BY (source, partition, first_ordinal)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE OR REPLACE VIEW bars AS
SELECT symbol, series, ts, number, source, last.1 AS open, last.2 AS high, last.3 AS low, last.4 AS close, last.5 AS volume, last.6 AS vwap, last.7 AS notional, last.8 AS trades, last.9 AS excluded, last.10 AS excluded_condition, last.11 AS excluded_odd_lot, last.12 AS excluded_filter, last.13 AS excluded_undefined, last.14 AS open_time_ns, last.15 AS close_time, last.16 AS close_time_ns, last.17 AS generation, last.18 AS revision, last.19 AS reason, last.20 AS partial, last.21 AS mixed_providers, last.22 AS partition, last.23 AS ordinal, last.24 AS withdrawn, last.25 AS filled, last.26 AS lateness_ns, last.27 AS sent_at, last.28 AS taken_at
FROM (
    SELECT symbol, series, ts, number, source,
        argMax(tuple(open, high, low, close, volume, vwap, notional, trades, excluded, excluded_condition, excluded_odd_lot, excluded_filter, excluded_undefined, open_time_ns, close_time, close_time_ns, generation, revision, reason, partial, mixed_providers, partition, ordinal, withdrawn, filled, lateness_ns, sent_at, taken_at), revision) AS last
    FROM bar_versions
    GROUP BY symbol, series, ts, number, source
);

CREATE OR REPLACE VIEW bars_as_of AS
SELECT symbol, series, ts, number, source, last.1 AS open, last.2 AS high, last.3 AS low, last.4 AS close, last.5 AS volume, last.6 AS vwap, last.7 AS notional, last.8 AS trades, last.9 AS excluded, last.10 AS excluded_condition, last.11 AS excluded_odd_lot, last.12 AS excluded_filter, last.13 AS excluded_undefined, last.14 AS open_time_ns, last.15 AS close_time, last.16 AS close_time_ns, last.17 AS generation, last.18 AS revision, last.19 AS reason, last.20 AS partial, last.21 AS mixed_providers, last.22 AS partition, last.23 AS ordinal, last.24 AS withdrawn, last.25 AS filled, last.26 AS lateness_ns, last.27 AS sent_at, last.28 AS taken_at
FROM (
    SELECT symbol, series, ts, number, source,
        argMax(tuple(open, high, low, close, volume, vwap, notional, trades, excluded, excluded_condition, excluded_odd_lot, excluded_filter, excluded_undefined, open_time_ns, close_time, close_time_ns, generation, revision, reason, partial, mixed_providers, partition, ordinal, withdrawn, filled, lateness_ns, sent_at, taken_at), revision) AS last
    FROM bar_versions
    WHERE taken_at IS NOT NULL AND greatest(assumeNotNull(taken_at), ifNull(close_time, assumeNotNull(taken_at)), ifNull(sent_at, assumeNotNull(taken_at))) <= {at:DateTime64(6, 'UTC')}
    GROUP BY symbol, series, ts, number, source
);
