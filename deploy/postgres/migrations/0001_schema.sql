-- The tables of one namespace. Nothing here names a schema: all of it goes into the first one of
-- search_path, which the migrator sets to the namespace's.
--
-- Times: `timestamptz` holds microseconds, the tape nanoseconds. `ts` and `receive_time` are
-- rounded down, for partitions, indexes and people; the columns with `_ns` hold the exact value,
-- in nanoseconds since 1970 UTC.
--
-- Prices, sizes and sums are `numeric` without a limit: exact at every scale that a market has.
-- NULL is "undefined" (a quote with one side, a bar whose only trade was busted).

-- Ticks are identified by (source, partition, ordinal): dense, given once, on the tape. No unique
-- index enforces that, on purpose: rows and position are committed together, so a repeat cannot
-- be, and an index in the order of ordinals would be a second one to maintain per row. The one
-- index serves queries by symbol and time. It costs about as much as the row itself: measured,
-- 500,000 of these rows by binary COPY into a hypertable take 2.0 s without it, 4.2 s with it,
-- and 5.7 s with a unique one over the ordinals as well (two busy cores). A writer has time for
-- the one; a person who asks for a symbol's day has none for a scan.
CREATE TABLE trades (
    ts              timestamptz NOT NULL,
    event_time_ns   bigint      NOT NULL,
    symbol          text        NOT NULL,
    price           numeric,
    size            numeric,
    exchange        text        NOT NULL DEFAULT '',
    conditions      text        NOT NULL DEFAULT '',
    action          smallint    NOT NULL DEFAULT 0,
    flags           integer     NOT NULL DEFAULT 0,
    provider        text        NOT NULL DEFAULT '',
    provider_id     numeric,
    provider_time   timestamptz,
    time_resolution smallint    NOT NULL DEFAULT 0,
    receive_time    timestamptz NOT NULL,
    receive_time_ns bigint      NOT NULL,
    source          text        NOT NULL,
    partition       integer     NOT NULL,
    epoch           bigint      NOT NULL,
    ordinal         bigint      NOT NULL
);

CREATE INDEX trades_symbol_ts ON trades (symbol, ts DESC);

COMMENT ON TABLE trades IS 'one row per trade, correction or cancellation on the tape';
COMMENT ON COLUMN trades.ts IS 'event time: the provider''s, else the receive time';
COMMENT ON COLUMN trades.action IS '0 new, 1 correction, 2 cancel';
COMMENT ON COLUMN trades.flags IS
    'bits: 1 snapshot, 2 conflated, 4 backfilled, 8 delayed, 16 out of session';
COMMENT ON COLUMN trades.provider_id IS 'the provider''s id of the tick (64 bits unsigned)';
COMMENT ON COLUMN trades.provider_time IS
    'NULL when the provider gave none; its exact value then is event_time_ns';
COMMENT ON COLUMN trades.time_resolution IS
    'of provider_time: 0 unknown, 1 ns, 2 us, 3 ms, 4 s, 5 min, 6 day';
COMMENT ON COLUMN trades.ordinal IS 'dense per (source, partition), as on the tape';

CREATE TABLE quotes (
    ts              timestamptz NOT NULL,
    event_time_ns   bigint      NOT NULL,
    symbol          text        NOT NULL,
    bid_price       numeric,
    bid_size        numeric,
    ask_price       numeric,
    ask_size        numeric,
    bid_exchange    text        NOT NULL DEFAULT '',
    ask_exchange    text        NOT NULL DEFAULT '',
    flags           integer     NOT NULL DEFAULT 0,
    provider        text        NOT NULL DEFAULT '',
    provider_id     numeric,
    provider_time   timestamptz,
    time_resolution smallint    NOT NULL DEFAULT 0,
    receive_time    timestamptz NOT NULL,
    receive_time_ns bigint      NOT NULL,
    source          text        NOT NULL,
    partition       integer     NOT NULL,
    epoch           bigint      NOT NULL,
    ordinal         bigint      NOT NULL
);

CREATE INDEX quotes_symbol_ts ON quotes (symbol, ts DESC);

COMMENT ON TABLE quotes IS 'one row per change of the best bid and offer on the tape';
COMMENT ON COLUMN quotes.ts IS 'event time: the provider''s, else the receive time';
COMMENT ON COLUMN quotes.flags IS 'bits as in trades';
COMMENT ON COLUMN quotes.time_resolution IS 'values as in trades';

-- Bars are few, and each of them comes again with a higher revision when it was corrected: the key
-- is what makes a repeat harmless and the later version win
-- (ON CONFLICT ... DO UPDATE ... WHERE excluded.revision > bars.revision).
CREATE TABLE bars (
    symbol             text        NOT NULL,
    series             text        NOT NULL,
    ts                 timestamptz NOT NULL,
    number             bigint      NOT NULL DEFAULT 0,
    open               numeric,
    high               numeric,
    low                numeric,
    close              numeric,
    volume             numeric     NOT NULL,
    vwap               numeric,
    notional           numeric     NOT NULL,
    trades             bigint      NOT NULL,
    excluded           bigint      NOT NULL DEFAULT 0,
    excluded_condition bigint      NOT NULL DEFAULT 0,
    excluded_odd_lot   bigint      NOT NULL DEFAULT 0,
    excluded_filter    bigint      NOT NULL DEFAULT 0,
    excluded_undefined bigint      NOT NULL DEFAULT 0,
    open_time_ns       bigint      NOT NULL,
    close_time         timestamptz NOT NULL,
    close_time_ns      bigint      NOT NULL,
    generation         bigint      NOT NULL DEFAULT 0,
    revision           bigint      NOT NULL,
    reason             text        NOT NULL DEFAULT 'closed',
    partial            boolean     NOT NULL DEFAULT false,
    mixed_providers    boolean     NOT NULL DEFAULT false,
    source             text        NOT NULL,
    partition          integer     NOT NULL,
    ordinal            bigint      NOT NULL,
    PRIMARY KEY (symbol, series, ts, number)
);

COMMENT ON TABLE bars IS 'the latest version of each bar; its window is [ts, close_time)';
COMMENT ON COLUMN bars.ts IS 'open time';
COMMENT ON COLUMN bars.number IS '0 for time bars; counts for the others';
COMMENT ON COLUMN bars.notional IS 'sum of price times size: a vwap over several bars is exact';
COMMENT ON COLUMN bars.excluded IS 'ticks of the window that a rule left out; by reason beside it';
COMMENT ON COLUMN bars.revision IS 'the output ordinal on the tape: the higher one wins';
COMMENT ON COLUMN bars.reason IS 'closed, late, bust, gap, backfill or repair';
COMMENT ON COLUMN bars.partial IS 'the window overlaps a subscription''s start or a gap';

-- How far each sink has read each input, advanced in the transaction that writes the rows. Only the
-- functions change it. The packet that the position rests on is named by epoch, ordinal and
-- checksum: a reader goes on only where it still finds that packet.
CREATE TABLE sink_positions (
    sink              text    NOT NULL,
    input             text    NOT NULL CHECK (input IN ('ticks', 'bars')),
    partition         integer NOT NULL CHECK (partition >= 0),
    owner             text    NOT NULL DEFAULT '',
    owner_epoch       bigint  NOT NULL CHECK (owner_epoch > 0),
    stream_created_ns bigint,
    sequence          bigint  NOT NULL DEFAULT 0 CHECK (sequence >= 0),
    packet_epoch      bigint,
    packet_ordinal    bigint,
    packet_crc        bigint,
    claimed_at        timestamptz NOT NULL DEFAULT now(),
    advanced_at       timestamptz,
    PRIMARY KEY (sink, input, partition)
) WITH (fillfactor = 50);

COMMENT ON COLUMN sink_positions.owner_epoch IS 'who comes with a lower one is fenced';
COMMENT ON COLUMN sink_positions.sequence IS 'of the stream; 0: nothing was read yet';
COMMENT ON COLUMN sink_positions.packet_crc IS '64 bits, as a signed number';

-- What became of every ordinal of every source: the audit is
-- written + dead_lettered + skipped = last_ordinal - first_ordinal + 1.
CREATE TABLE sink_source_ordinals (
    sink          text    NOT NULL,
    input         text    NOT NULL,
    partition     integer NOT NULL,
    source        text    NOT NULL,
    first_ordinal bigint  NOT NULL,
    last_ordinal  bigint  NOT NULL,
    written       bigint  NOT NULL DEFAULT 0,
    dead_lettered bigint  NOT NULL DEFAULT 0,
    skipped       bigint  NOT NULL DEFAULT 0,
    PRIMARY KEY (sink, input, partition, source),
    FOREIGN KEY (sink, input, partition) REFERENCES sink_positions ON DELETE CASCADE
) WITH (fillfactor = 50);

COMMENT ON COLUMN sink_source_ordinals.skipped IS 'ticks of kinds that this sink does not store';
