-- The tables of one namespace. Nothing here names a schema: all of it goes into the first one of
-- search_path, which the migrator sets to the namespace's.
--
-- Times: `timestamptz` holds microseconds, the tape nanoseconds. `ts` and `receive_time` are
-- rounded down, for partitions, indexes and people; the columns with `_ns` hold the exact value,
-- in nanoseconds since 1970 UTC.
--
-- Prices, sizes and sums are `numeric` without a limit: exact at every scale that a market has.
-- NULL is "undefined" (a quote with one side, a bar whose only trade was busted).
--
-- Tables of time are cut by `ts`, and get their keys and indexes, after all of them are described.

-- Ticks ------------------------------------------------------------------------------------------

-- Ticks are identified by (source, partition, ordinal): dense, given once, on the tape. No unique
-- index enforces that, on purpose: rows and position are committed together, so a repeat cannot
-- be, and an index in the order of ordinals would be a second one to maintain per row.
--
-- Trades and quotes are most of the rows, so these are narrow. The views `trades` and `quotes`
-- (20_ticks.sql) have their values in the columns that all ticks have.
--
-- - No column but of prices and sizes has NULL, so most rows have no bitmap of them. The order of
--   columns leaves no padding.
-- - A time is once in a row: microseconds, and the nanoseconds after them. provider_time is `ts`,
--   wherever the provider gave a time.
CREATE TABLE trade_rows (
    ts              timestamptz NOT NULL,
    receive_time    timestamptz NOT NULL,
    epoch           bigint      NOT NULL,
    ordinal         bigint      NOT NULL,
    partition       smallint    NOT NULL,
    ts_rest_ns      smallint    NOT NULL,
    receive_rest_ns smallint    NOT NULL,
    flags           smallint    NOT NULL,
    action          smallint    NOT NULL,
    time_resolution smallint    NOT NULL,
    symbol          text        NOT NULL,
    source          text        NOT NULL,
    provider        text        NOT NULL,
    exchange        text        NOT NULL,
    conditions      text        NOT NULL,
    of_source       text        NOT NULL,
    provider_id     numeric     NOT NULL,
    price           numeric,
    size            numeric
);

COMMENT ON TABLE trade_rows IS 'the rows of the view trades';
COMMENT ON COLUMN trade_rows.ts_rest_ns IS 'nanoseconds after ts; -1: ts is not known';
COMMENT ON COLUMN trade_rows.receive_rest_ns IS
    'nanoseconds after receive_time; -1: receive_time is not known';
COMMENT ON COLUMN trade_rows.flags IS '16 bits, as a signed number';
COMMENT ON COLUMN trade_rows.time_resolution IS '-1 minus it where the provider gave no time';
COMMENT ON COLUMN trade_rows.provider_id IS '0: none';
COMMENT ON COLUMN trade_rows.of_source IS 'empty: none';

CREATE TABLE quote_rows (
    ts              timestamptz NOT NULL,
    receive_time    timestamptz NOT NULL,
    epoch           bigint      NOT NULL,
    ordinal         bigint      NOT NULL,
    partition       smallint    NOT NULL,
    ts_rest_ns      smallint    NOT NULL,
    receive_rest_ns smallint    NOT NULL,
    flags           smallint    NOT NULL,
    time_resolution smallint    NOT NULL,
    symbol          text        NOT NULL,
    source          text        NOT NULL,
    provider        text        NOT NULL,
    bid_exchange    text        NOT NULL,
    ask_exchange    text        NOT NULL,
    of_source       text        NOT NULL,
    provider_id     numeric     NOT NULL,
    bid_price       numeric,
    bid_size        numeric,
    ask_price       numeric,
    ask_size        numeric
);

COMMENT ON TABLE quote_rows IS 'the rows of the view quotes';
COMMENT ON COLUMN quote_rows.ts_rest_ns IS 'nanoseconds after ts; -1: ts is not known';
COMMENT ON COLUMN quote_rows.receive_rest_ns IS
    'nanoseconds after receive_time; -1: receive_time is not known';
COMMENT ON COLUMN quote_rows.flags IS '16 bits, as a signed number';
COMMENT ON COLUMN quote_rows.time_resolution IS '-1 minus it where the provider gave no time';
COMMENT ON COLUMN quote_rows.provider_id IS '0: none';
COMMENT ON COLUMN quote_rows.of_source IS 'empty: none';

-- Every other record of the tape has its table, too. As trades and quotes these are only ever added
-- to, and end with the same columns: those of tick_end, which is no table of its own. Names of kinds
-- and reasons are words; a number is one that the writer's version does not know.
CREATE TABLE tick_end (
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

CREATE TABLE depth (
    ts              timestamptz NOT NULL,
    event_time_ns   bigint      NOT NULL,
    symbol          text        NOT NULL,
    operation       text        NOT NULL,
    side            text,
    position        bigint,
    price           numeric,
    size            numeric,
    market_maker    text        NOT NULL DEFAULT '',
    book_flags      smallint    NOT NULL DEFAULT 0,
    reason          text,
    LIKE tick_end INCLUDING DEFAULTS
);

COMMENT ON TABLE depth IS 'one row per change of a row of a book, and per reset of a book';
COMMENT ON COLUMN depth.operation IS
    'insert (rows from this position on move down), update, delete (rows behind it move up), or '
    'reset: all rows of the book known so far are void';
COMMENT ON COLUMN depth.side IS 'ask or bid; NULL of a reset';
COMMENT ON COLUMN depth.position IS 'the row of the book, from 0';
COMMENT ON COLUMN depth.market_maker IS 'or the exchange, of a book of several';
COMMENT ON COLUMN depth.book_flags IS
    'bits: 1 of several exchanges, 2 the provider names market makers, 4 repeated by the gateway';
COMMENT ON COLUMN depth.reason IS 'of a reset: unknown, reset, halted, disconnected or repeated';

CREATE TABLE options (
    ts                 timestamptz NOT NULL,
    event_time_ns      bigint      NOT NULL,
    symbol             text        NOT NULL,
    computed_from      text        NOT NULL,
    basis              text        NOT NULL,
    implied_volatility numeric,
    delta              numeric,
    gamma              numeric,
    vega               numeric,
    theta              numeric,
    option_price       numeric,
    dividends          numeric,
    underlying_price   numeric,
    LIKE tick_end INCLUDING DEFAULTS
);

COMMENT ON TABLE options IS 'what a provider computed about an option; NULL: not computed';
COMMENT ON COLUMN options.computed_from IS 'bid, ask, last, model, custom or unknown';
COMMENT ON COLUMN options.basis IS 'returns, prices or unknown';

CREATE TABLE news (
    ts              timestamptz NOT NULL,
    event_time_ns   bigint      NOT NULL,
    symbol          text,
    kind            text        NOT NULL,
    publisher       text,
    article         text,
    body            text        NOT NULL,
    extra           text,
    bulletin_kind   text,
    exchange        text,
    LIKE tick_end INCLUDING DEFAULTS
);

COMMENT ON TABLE news IS 'headlines, and what a provider has to say to everybody (bulletins)';
COMMENT ON COLUMN news.symbol IS 'NULL: of no symbol, as all bulletins are';
COMMENT ON COLUMN news.kind IS 'headline or bulletin';
COMMENT ON COLUMN news.publisher IS 'who wrote it, by the provider''s code; NULL of a bulletin';
COMMENT ON COLUMN news.article IS 'by which the article can be asked for';
COMMENT ON COLUMN news.body IS 'the headline, or the bulletin''s text';
COMMENT ON COLUMN news.bulletin_kind IS
    'regular, exchange_unavailable, exchange_available or unknown; NULL of a headline';

-- Documents come in parts, which may be far apart on the tape; the view fundamental_documents puts
-- them together.
CREATE TABLE fundamentals (
    ts              timestamptz NOT NULL,
    event_time_ns   bigint      NOT NULL,
    symbol          text,
    report          text        NOT NULL,
    part            bigint      NOT NULL,
    parts           bigint      NOT NULL,
    document_bytes  bigint      NOT NULL,
    content         bytea       NOT NULL,
    LIKE tick_end INCLUDING DEFAULTS
);

COMMENT ON TABLE fundamentals IS 'parts of documents about companies';
COMMENT ON COLUMN fundamentals.report IS 'the kind of report, by the provider''s name for it';
COMMENT ON COLUMN fundamentals.part IS 'from 0; the parts of one document have one provider_id';
COMMENT ON COLUMN fundamentals.document_bytes IS 'length of the whole document';

CREATE TABLE indicators (
    ts              timestamptz NOT NULL,
    event_time_ns   bigint      NOT NULL,
    symbol          text,
    name            text        NOT NULL,
    unit            text        NOT NULL DEFAULT '',
    value           numeric,
    period_start    timestamptz,
    period_start_ns bigint,
    period_end      timestamptz,
    period_end_ns   bigint,
    revision        bigint      NOT NULL DEFAULT 0,
    LIKE tick_end INCLUDING DEFAULTS,
    of_source       text        NOT NULL DEFAULT ''
);

COMMENT ON TABLE indicators IS 'values of economic series, each for one period';
COMMENT ON COLUMN indicators.ts IS 'when it was published';
COMMENT ON COLUMN indicators.period_start IS 'what the value is about: [period_start, period_end)';
COMMENT ON COLUMN indicators.revision IS '0 for the first publication, then counting';
COMMENT ON COLUMN indicators.of_source IS
    'of an operator''s value: whose ticks it is made of; empty: of no one source';

CREATE TABLE provider_bars (
    ts                 timestamptz NOT NULL,
    event_time_ns      bigint      NOT NULL,
    symbol             text        NOT NULL,
    made_of            text        NOT NULL,
    open_time          timestamptz,
    open_time_ns       bigint,
    open               numeric,
    high               numeric,
    low                numeric,
    close              numeric,
    vwap               numeric,
    volume             numeric,
    trades             bigint,
    bar_flags          smallint    NOT NULL DEFAULT 0,
    provider_time_ns   bigint,
    LIKE tick_end INCLUDING DEFAULTS
);

COMMENT ON TABLE provider_bars IS
    'bars that a provider made, as they came; those that this system makes are in bars';
COMMENT ON COLUMN provider_bars.ts IS 'close time: the window is [open_time, ts)';
COMMENT ON COLUMN provider_bars.made_of IS
    'trades, midpoint, bid, ask, bid_ask, historical_volatility, implied_volatility or unknown';
COMMENT ON COLUMN provider_bars.volume IS 'NULL when the provider gave none; so are trades';
COMMENT ON COLUMN provider_bars.bar_flags IS
    'bits: 1 in progress (it comes again), 2 of regular trading hours only, 4 made again after its end';

CREATE TABLE events (
    ts              timestamptz NOT NULL,
    event_time_ns   bigint      NOT NULL,
    symbol          text,
    input           text        NOT NULL,
    template        integer     NOT NULL,
    name            text        NOT NULL,
    detail          jsonb,
    payload         bytea,
    LIKE tick_end INCLUDING DEFAULTS
);

COMMENT ON TABLE events IS 'ticks without a table of their own';
COMMENT ON COLUMN events.ts IS
    'event time; of a record that does not begin as ticks do, the time when its packet was sent';
COMMENT ON COLUMN events.input IS 'ticks or bars: of which stream, as in sink_positions';
COMMENT ON COLUMN events.template IS 'of the wire format';
COMMENT ON COLUMN events.name IS
    'subscription, repair_request, or unknown: of a later version than the writer';
COMMENT ON COLUMN events.detail IS 'what it says; NULL when it is unknown';
COMMENT ON COLUMN events.payload IS 'the bytes of an unknown one, as on the tape with its header';

-- A late tick is of the stream of the bars: source, partition, epoch and ordinal are those of the
-- record there, and of_source and of_ordinal say where the tick itself stands.
CREATE TABLE late_ticks (
    ts              timestamptz NOT NULL,
    event_time_ns   bigint      NOT NULL,
    symbol          text        NOT NULL,
    series          text        NOT NULL,
    reason          text        NOT NULL,
    kind            text        NOT NULL,
    price           numeric,
    size            numeric,
    exchange        text        NOT NULL DEFAULT '',
    conditions      text        NOT NULL DEFAULT '',
    ask_price       numeric,
    ask_size        numeric,
    open_time       timestamptz,
    open_time_ns    bigint,
    close_time      timestamptz,
    close_time_ns   bigint,
    of_source       text        NOT NULL,
    of_ordinal      bigint      NOT NULL,
    action          smallint    NOT NULL DEFAULT 0,
    LIKE tick_end INCLUDING DEFAULTS
);

COMMENT ON TABLE late_ticks IS 'ticks that a series of bars did not count';
COMMENT ON COLUMN late_ticks.reason IS 'window_closed, window_limit or duplicate';
COMMENT ON COLUMN late_ticks.kind IS 'trade or quote';
COMMENT ON COLUMN late_ticks.price IS 'of a trade, or a quote''s bid; so are size and exchange';
COMMENT ON COLUMN late_ticks.conditions IS 'of a trade, or the exchange of a quote''s ask';
COMMENT ON COLUMN late_ticks.open_time IS 'the window into which it would have gone: [open_time, close_time)';
COMMENT ON COLUMN late_ticks.of_ordinal IS 'of the tick: (of_source, partition, of_ordinal)';

-- People cancel, correct and restore single trades, each named by its address on the tape: source,
-- partition and ordinal. These records are few and small, and a trade's state depends on them for as
-- long as the trade is stored. So their table is not partitioned by time, and retention drops none.
CREATE TABLE trade_changes (
    ts              timestamptz NOT NULL,
    event_time_ns   bigint      NOT NULL,
    symbol          text        NOT NULL,
    of_source       text        NOT NULL,
    of_ordinal      bigint      NOT NULL,
    change          text        NOT NULL,
    price           numeric,
    size            numeric,
    requester       text        NOT NULL,
    note            text        NOT NULL,
    LIKE tick_end INCLUDING DEFAULTS
);

CREATE INDEX trade_changes_of ON trade_changes (of_source, partition, of_ordinal);

COMMENT ON TABLE trade_changes IS
    'what people did to single trades; the last record about a trade counts, before its provider''s';
COMMENT ON COLUMN trade_changes.ts IS 'event time of the trade';
COMMENT ON COLUMN trade_changes.of_source IS
    'with partition and of_ordinal the trade''s address; source and ordinal are those of this record';
COMMENT ON COLUMN trade_changes.change IS 'cancel, correct or restore';
COMMENT ON COLUMN trade_changes.price IS 'with size the new values of a correction; NULL for others';
COMMENT ON COLUMN trade_changes.requester IS 'who asked for it: user@host';
COMMENT ON COLUMN trade_changes.receive_time IS 'when it was asked for';

-- Which of a provider's records cancel or correct a trade by its id, in the order of the tape: the last
-- one counts. Each is a row of trade_rows, too. There it could be found only by reading all days,
-- because a record may be of any time after its trade, and rows of several sources have no common
-- order. Not partitioned; they go with the trades that they can be about (drop_changes).
CREATE TABLE changes_by_id (
    symbol            text     NOT NULL,
    provider_id       numeric  NOT NULL,
    action            smallint NOT NULL,
    price             numeric,
    size              numeric,
    exchange          text     NOT NULL DEFAULT '',
    conditions        text     NOT NULL DEFAULT '',
    source            text     NOT NULL,
    of_source         text     NOT NULL DEFAULT '',
    partition         integer  NOT NULL,
    epoch             bigint   NOT NULL,
    ordinal           bigint   NOT NULL,
    stream_created_ns bigint   NOT NULL,
    sequence          bigint   NOT NULL,
    receive_time      timestamptz NOT NULL,
    noted_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (source, partition, ordinal)
);

CREATE INDEX changes_by_id_of ON changes_by_id (symbol, provider_id);

COMMENT ON TABLE changes_by_id IS
    'cancels and corrections that name a trade by its id, in the order of the tape';
COMMENT ON COLUMN changes_by_id.action IS '1 correction, 2 cancel';
COMMENT ON COLUMN changes_by_id.source IS 'who published it; manual: a person';
COMMENT ON COLUMN changes_by_id.of_source IS
    'of a person''s: whose trade it is about; empty: those of all sources of the symbol';
COMMENT ON COLUMN changes_by_id.sequence IS
    'of its packet in its stream: with stream_created_ns and ordinal the order of the tape';
COMMENT ON COLUMN changes_by_id.noted_at IS 'when it was stored here: its trade was made before';

-- The sources that are one to bars, as the operators of each partition state it with their bars. The
-- members of a group share the ids of trades.
CREATE TABLE source_groups (
    partition  integer NOT NULL,
    source     text    NOT NULL,
    group_name text    NOT NULL,
    PRIMARY KEY (partition, source)
);

COMMENT ON TABLE source_groups IS 'the members of groups of sources now; only functions change it';

DROP TABLE tick_end;

-- Bars -------------------------------------------------------------------------------------------

-- Every version of a bar is a row. bars_short and bars_long have the version that stands, one per
-- source: two sources of one symbol have a bar each. The statement that replaces it also moves it to
-- bar_versions: a trigger does that, so no writer of bars can forget it. The trigger costs nothing
-- for a bar that comes for the first time. The view `bars` has all bars that stand (35_bars.sql).
CREATE TABLE bar_versions (
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
    withdrawn          boolean     NOT NULL DEFAULT false,
    filled             boolean     NOT NULL DEFAULT false,
    lateness_ns        bigint,
    sent_at            timestamptz,
    taken_at           timestamptz
);

COMMENT ON TABLE bar_versions IS
    'versions of bars that a later one replaced; the tables of bars have the version that stands';
COMMENT ON COLUMN bar_versions.ts IS 'open time';
COMMENT ON COLUMN bar_versions.number IS '0 for time bars; counts for the others';
COMMENT ON COLUMN bar_versions.notional IS 'sum of price times size: a vwap over several bars is exact';
COMMENT ON COLUMN bar_versions.excluded IS
    'ticks of the window that a rule left out; by reason beside it';
COMMENT ON COLUMN bar_versions.revision IS 'the output ordinal on the tape: the higher one wins';
COMMENT ON COLUMN bar_versions.reason IS 'closed, late, bust, gap, backfill or repair';
COMMENT ON COLUMN bar_versions.partial IS 'the window overlaps a subscription''s start or a gap';
COMMENT ON COLUMN bar_versions.source IS
    'whose ticks it is made of: a gateway''s name on the tape, or that of a group of them';
COMMENT ON COLUMN bar_versions.withdrawn IS
    'it is void, and nothing replaces it: its trades were cancelled or moved';
COMMENT ON COLUMN bar_versions.filled IS 'a window without trades: its prices are the close before it';
COMMENT ON COLUMN bar_versions.lateness_ns IS
    'how long after its end the window took ticks; NULL: not known';
COMMENT ON COLUMN bar_versions.sent_at IS 'when the operator sent this version; NULL: not known';
COMMENT ON COLUMN bar_versions.taken_at IS
    'when the tape took this version, never falling; NULL: not known';

-- Bars of windows below an hour and longer ones have a table each, so that a day's partition does
-- not hold the one daily bar of a symbol, and so that each table keeps its rows as long as people
-- need them. Bars are few, and each of them comes again with a higher revision when it was
-- corrected: the key is what makes a repeat harmless and the later version win
-- (ON CONFLICT ... DO UPDATE ... WHERE excluded.revision > bars_short.revision). A partition that is
-- rebuilt publishes bars again, too. How often the row was replaced is kept in it: the audit counts
-- every bar that came from the tape, not rows alone.
CREATE TABLE bars_short (
    LIKE bar_versions INCLUDING DEFAULTS INCLUDING COMMENTS,
    replaced bigint NOT NULL DEFAULT 0
);

COMMENT ON TABLE bars_short IS
    'the latest version of each bar of a window below an hour, and of bars that the clock does not '
    'end; the view bars has all';
COMMENT ON COLUMN bars_short.replaced IS 'earlier versions of this bar whose place the row took';

CREATE TABLE bars_long (LIKE bars_short INCLUDING DEFAULTS INCLUDING COMMENTS);

COMMENT ON TABLE bars_long IS
    'the latest version of each bar of an hour or longer, of a session or a day; the view bars has '
    'all';

-- In which table the bars of a series are. It is decided when the series is first seen, and never
-- again, so that no series has rows in two tables.
CREATE TABLE bar_series (
    series   text        PRIMARY KEY,
    is_long  boolean     NOT NULL,
    noted_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

COMMENT ON TABLE bar_series IS 'the series of bars, and in which table each of them is';
COMMENT ON COLUMN bar_series.is_long IS
    'true: bars_long (windows of an hour or longer, sessions, days); false: bars_short';

CREATE TABLE version_losses (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    input     text        NOT NULL DEFAULT 'bars',
    partition integer     NOT NULL,
    from_at   timestamptz NOT NULL,
    to_at     timestamptz NOT NULL,
    reason    text        NOT NULL,
    noted_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    source    text,
    first_ordinal bigint,
    last_ordinal  bigint,
    letters   bigint CHECK (letters > 0),
    CHECK (from_at <= to_at)
);

COMMENT ON TABLE version_losses IS
    'stretches of time whose bars may lack a version, or whose ticks may lack rows, by the clocks of NATS '
    'and of the sender together; only functions write it';
COMMENT ON COLUMN version_losses.reason IS
    'as in gaps; or set_aside: dead letters; or not_written: without the table of bars, or given twice; or '
    'purged: the tape had lost it before this database had any record of the partition; or earlier: '
    'several, which are older than all that retention keeps';
COMMENT ON COLUMN version_losses.source IS
    'with the ordinals: where the dead letters of a set_aside are; NULL of others';
COMMENT ON COLUMN version_losses.letters IS
    'dead letters that are no rows yet: with the last one that is stored the stretch goes';

-- Books ------------------------------------------------------------------------------------------

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
    tape_time_ns      bigint,
    sent_time_ns      bigint,
    tables            text[]  NOT NULL DEFAULT '{}',
    PRIMARY KEY (sink, input, partition)
) WITH (fillfactor = 50);

COMMENT ON COLUMN sink_positions.owner_epoch IS 'who comes with a lower one is fenced';
COMMENT ON COLUMN sink_positions.sequence IS 'of the stream; 0: nothing was read yet';
COMMENT ON COLUMN sink_positions.packet_crc IS '64 bits, as a signed number';
COMMENT ON COLUMN sink_positions.tape_time_ns IS
    'the highest time at which the tape took a packet up to the position; NULL: not known';
COMMENT ON COLUMN sink_positions.sent_time_ns IS
    'the highest time at which such a packet was sent, by the sender''s clock; NULL: not known';
COMMENT ON COLUMN sink_positions.tables IS 'the tables that its owner writes (STORE_TABLES)';

-- A group of tables that waits apart there, and what became of its records, by source (11_groups.sql).
CREATE TABLE apart_groups (LIKE sink_positions INCLUDING DEFAULTS,
    table_group text NOT NULL CHECK (table_group IN ('ticks', 'bars', 'rest')), table_name text NOT NULL,
    sources jsonb NOT NULL DEFAULT '[]', gaps jsonb NOT NULL DEFAULT '[]', reason text NOT NULL,
    since_ns bigint NOT NULL, PRIMARY KEY (sink, input, partition, table_group),
    FOREIGN KEY (sink, input, partition) REFERENCES sink_positions ON DELETE CASCADE) WITH (fillfactor = 50);

-- What became of every ordinal of every source: the audit is
-- written + dead_lettered + skipped + waiting + lost = last_ordinal - first_ordinal + 1.
-- A tape that was put back may give ordinals out a second time. `last_ordinal` says how far the sink
-- has stored; the reader, though, has to follow the ordinals as the tape holds them.
-- What was set aside as a dead letter and stored later (`tapeline dlq replay`) stays in `dead_lettered`:
-- the rows are those that were written, and those that were replayed.
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
    epoch         bigint  NOT NULL DEFAULT 0,
    tape_ordinal  bigint,
    given_twice   bigint  NOT NULL DEFAULT 0,
    replayed      bigint  NOT NULL DEFAULT 0,
    apart         bigint  NOT NULL DEFAULT 0,
    filled        bigint  NOT NULL DEFAULT 0 CHECK (filled >= 0),
    filled_first  bigint  CHECK (filled_first BETWEEN 1 AND first_ordinal - 1),
    filled_skipped bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (sink, input, partition, source),
    FOREIGN KEY (sink, input, partition) REFERENCES sink_positions ON DELETE CASCADE,
    CONSTRAINT sink_source_ordinals_replayed CHECK (replayed BETWEEN 0 AND dead_lettered),
    CONSTRAINT sink_source_ordinals_filled CHECK (filled_skipped BETWEEN 0 AND least(skipped, filled))
) WITH (fillfactor = 50);

COMMENT ON COLUMN sink_source_ordinals.dead_lettered IS
    'without a row, because none could be made or the database refused it: each is in a dead letter';
COMMENT ON COLUMN sink_source_ordinals.skipped IS
    'of kinds that this sink does not store, dropped, or lost by a group of tables that waited apart';
COMMENT ON COLUMN sink_source_ordinals.epoch IS 'of the source''s last packet that was read; 0: not known';
COMMENT ON COLUMN sink_source_ordinals.tape_ordinal IS
    'the source''s last ordinal on the tape at the position; below last_ordinal while the tape '
    'gives ordinals out again; NULL: last_ordinal';
COMMENT ON COLUMN sink_source_ordinals.given_twice IS
    'ticks under ordinals that were stored before: left out, named in gaps, not in the equation';
COMMENT ON COLUMN sink_source_ordinals.replayed IS
    'of dead_lettered: stored later from their dead letters; only note_replayed changes it';
COMMENT ON COLUMN sink_source_ordinals.filled IS 'beside written: rows copied by fill_ordinals';
COMMENT ON COLUMN sink_source_ordinals.filled_first IS 'below first_ordinal: filled from here on';
COMMENT ON COLUMN sink_source_ordinals.filled_skipped IS 'of skipped: lost by a group, and filled later';

-- When the tape took the packets of a source, by its clock or the sender's, whichever is later:
-- `taken_at` (12_stretches.sql) finds it by source, partition and ordinal of a row. A column of its own
-- would cost each tick 8 bytes. A row here has up to 128 points, one for each second with a packet of
-- the source: the first ordinal of that second, the time of its last packet, and how far apart the two
-- times of a packet were. So within a second a time may be too late. A row grows while the writer goes
-- on, and ends after half an hour.
CREATE TABLE stored_stretches (
    input         text        NOT NULL,
    partition     integer     NOT NULL,
    source        text        NOT NULL,
    first_ordinal bigint      NOT NULL,
    last_ordinal  bigint      NOT NULL,
    taken_from    timestamptz NOT NULL,
    starts        integer[]   NOT NULL,
    delays_us     integer[]   NOT NULL,
    apart_ms      integer[]   NOT NULL,
    has_replayed  boolean     NOT NULL DEFAULT false,
    PRIMARY KEY (input, partition, source, first_ordinal),
    CHECK (first_ordinal <= last_ordinal AND cardinality(starts) = cardinality(delays_us)
        AND cardinality(starts) = cardinality(apart_ms))
) WITH (fillfactor = 80);

CREATE INDEX stored_stretches_taken_from ON stored_stretches (taken_from);

COMMENT ON TABLE stored_stretches IS 'when the tape took the ordinals of a source; only functions write it';
COMMENT ON COLUMN stored_stretches.taken_from IS 'the time of the first packet, rounded up';
COMMENT ON COLUMN stored_stretches.starts IS
    'of each point: its first ordinal, counted from first_ordinal';
COMMENT ON COLUMN stored_stretches.delays_us IS
    'of each point: the time of its last packet, in microseconds after taken_from';
COMMENT ON COLUMN stored_stretches.apart_ms IS
    'of each point: from the earlier to the later time of a packet, the most, in milliseconds';
COMMENT ON COLUMN stored_stretches.has_replayed IS 'true: replayed_rows has ordinals of it';

-- Records that were set aside as dead letters and stored later. They count as known from then on.
CREATE TABLE replayed_rows (
    input       text        NOT NULL,
    partition   integer     NOT NULL,
    source      text        NOT NULL,
    ordinal     bigint      NOT NULL,
    replayed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (input, partition, source, ordinal)
);

COMMENT ON TABLE replayed_rows IS 'rows that were made of dead letters; only note_replayed writes it';

-- A row is one of two: a range of ordinals that is not accounted for by rows, and why (of the books),
-- or what the tape says of missing data (its gap records: an outage of the provider, what a gateway
-- could not publish). A record of the tape has an ordinal of its own, like any tick, and is in the
-- equation as written. Only rows of the books take ordinals out of the equation, and those are
-- written by functions alone: the runtime role may insert what the tape says, which has an ordinal.
CREATE TABLE gaps (
    id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sink               text        NOT NULL,
    input              text        NOT NULL,
    partition          integer     NOT NULL,
    source             text        NOT NULL,
    first_ordinal      bigint,
    last_ordinal       bigint,
    reason             text        NOT NULL,
    noted_at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    detail             text        NOT NULL DEFAULT '',
    symbol             text,
    kind               text,
    from_time          timestamptz,
    from_time_ns       bigint,
    to_time            timestamptz,
    to_time_ns         bigint,
    state              text,
    lost_first_ordinal bigint,
    lost_last_ordinal  bigint,
    receive_time       timestamptz,
    epoch              bigint,
    ordinal            bigint,
    CHECK (first_ordinal <= last_ordinal),
    CONSTRAINT gaps_of_books CHECK (ordinal IS NOT NULL OR (
        first_ordinal IS NOT NULL AND last_ordinal IS NOT NULL
        AND (reason IN ('tape_lost', 'given_twice', 'hole', 'dropped')
            OR reason = 'group_hole' AND detail IN ('ticks', 'bars', 'rest')))),
    CONSTRAINT gaps_of_tape CHECK (ordinal IS NULL OR (
        first_ordinal IS NULL AND last_ordinal IS NULL AND kind IS NOT NULL AND state IS NOT NULL
        AND epoch IS NOT NULL))
);

CREATE INDEX gaps_place ON gaps (sink, input, partition, source, first_ordinal);
CREATE INDEX gaps_symbol_time ON gaps (symbol, from_time) WHERE ordinal IS NOT NULL;

COMMENT ON TABLE gaps IS 'missing: ordinals without rows (of the books), and what the tape says';
COMMENT ON COLUMN gaps.ordinal IS 'of the tape''s gap record; NULL: noted by the books';
COMMENT ON COLUMN gaps.reason IS
    'of the books: tape_lost: destroyed, and a person accepted it; hole: missing on the tape between '
    'two packets that were read; given_twice: came again under stored ordinals, and was left out. '
    'Counted as skipped: dropped: the queue had no room; group_hole: lost by the tables in detail. '
    'Of the tape: disconnected, gateway_lost, provider_loss, dropped, tape_lost, maintenance, ...';
COMMENT ON COLUMN gaps.symbol IS 'NULL: all symbols of the source in this partition';
COMMENT ON COLUMN gaps.kind IS 'any, trade, quote, ...';
COMMENT ON COLUMN gaps.from_time IS 'data of [from_time, to_time) are missing; NULL: not known';
COMMENT ON COLUMN gaps.to_time IS 'NULL while it lasts';
COMMENT ON COLUMN gaps.state IS 'open, filling, filled or abandoned';
COMMENT ON COLUMN gaps.lost_first_ordinal IS 'the ordinals that a tape_lost names';

-- What retention dropped. The books say what was written, for ever; the audit must know which of it
-- is no row any more on purpose.
CREATE TABLE retired_rows (
    table_name     text        NOT NULL,
    input          text        NOT NULL,
    source         text        NOT NULL,
    partition      integer     NOT NULL,
    rows           bigint      NOT NULL,
    replaced       bigint      NOT NULL DEFAULT 0,
    last_ordinal   bigint      NOT NULL,
    until          timestamptz NOT NULL,
    received_until timestamptz,
    retired_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (table_name, input, source, partition)
);

COMMENT ON TABLE retired_rows IS 'what retention dropped, by table, input, source and partition';
COMMENT ON COLUMN retired_rows.input IS 'ticks or bars: of which stream the ordinals are';
COMMENT ON COLUMN retired_rows.rows IS 'rows dropped so far';
COMMENT ON COLUMN retired_rows.replaced IS 'of bars: the sum of that column of the dropped rows';
COMMENT ON COLUMN retired_rows.last_ordinal IS 'the highest one among the dropped rows';
COMMENT ON COLUMN retired_rows.until IS 'all rows before it are gone';
COMMENT ON COLUMN retired_rows.received_until IS
    'all rows without a time that were received before it are gone, too';

-- What the migrator lets the writers drop: they may ask for what is older, and for nothing else.
CREATE TABLE retention_least (
    table_name text     PRIMARY KEY,
    least_kept interval NOT NULL CHECK (least_kept >= interval '1 day')
);

COMMENT ON TABLE retention_least IS
    'how long the rows of a table are kept at least; of a table that is not named, for ever';

-- The last backups that succeeded, as the programs that made them note it with note_backup. Writers
-- show their age. A restored database has the row of the backup before its own.
CREATE TABLE backups (
    kind        text        PRIMARY KEY CHECK (kind IN ('base', 'log', 'dump', 'tape')),
    finished_at timestamptz NOT NULL,
    bytes       bigint      CHECK (bytes >= 0),
    detail      text        NOT NULL DEFAULT '' CHECK (length(detail) <= 500)
);

COMMENT ON TABLE backups IS 'When the last backup of each kind succeeded';
COMMENT ON COLUMN backups.kind IS
    'base: all of the database; log: its WAL until that time; dump: pg_dump; tape: what only NATS has';
COMMENT ON COLUMN backups.finished_at IS 'What was committed before is in the backup';
COMMENT ON COLUMN backups.bytes IS 'Its size; NULL when that is not known';
COMMENT ON COLUMN backups.detail IS 'Where it is, in the words of the program that made it';

-- Cut by time ------------------------------------------------------------------------------------

-- With TimescaleDB the tables of time are hypertables, without it they are natively partitioned: a
-- day is made and dropped without touching the rows of others, and an index stays small enough to be
-- in memory. Smaller tables have wider chunks; partitions have the same lengths (partition_span of
-- 30_time.sql). The extension is asked for its own schema, which need not be on search_path. Only
-- functions of its Apache edition are used.
--
-- No default partition, on purpose: each day made later would have to search it for rows of its own,
-- under a lock that stops the writers. Ticks without a usable time stand at the beginning of 1970: a
-- day of their own.
DO $$
DECLARE
    extension_schema name;
    cut              record;
    said             text;
BEGIN
    SELECT n.nspname INTO extension_schema
    FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
    WHERE e.extname = 'timescaledb';
    FOR cut IN
        SELECT * FROM (VALUES
            ('trade_rows', '1 day', true), ('quote_rows', '1 day', true), ('depth', '1 day', true),
            ('options', '7 days', true), ('news', '30 days', true),
            ('fundamentals', '30 days', true), ('indicators', '7 days', true),
            ('provider_bars', '30 days', true), ('events', '30 days', true),
            ('late_ticks', '1 day', true), ('bars_short', '1 day', false),
            ('bars_long', '365 days', false), ('bar_versions', '7 days', false))
            AS t (name, length, has_no_time)
    LOOP
        IF extension_schema IS NOT NULL THEN
            -- No index on ts alone, which it would add: another one to maintain per row, and the
            -- chunks' borders already say where a time is.
            EXECUTE format(
                'SELECT %I.create_hypertable(%L::regclass, ''ts'',
                    chunk_time_interval => %L::interval, create_default_indexes => false)',
                extension_schema, cut.name, cut.length);
            CONTINUE;
        END IF;
        said := obj_description(cut.name::regclass, 'pg_class');
        EXECUTE format('ALTER TABLE %I RENAME TO shape', cut.name);
        EXECUTE format('CREATE TABLE %I (LIKE shape INCLUDING DEFAULTS INCLUDING COMMENTS)
            PARTITION BY RANGE (ts)', cut.name);
        EXECUTE format('COMMENT ON TABLE %I IS %L', cut.name, said);
        DROP TABLE shape;
        IF cut.has_no_time THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF %I
                FOR VALUES FROM (''1970-01-01 00:00+00'') TO (''1970-01-02 00:00+00'')',
                cut.name || '_p19700101', cut.name);
        END IF;
    END LOOP;
END
$$;

ALTER TABLE bars_short ADD PRIMARY KEY (symbol, series, ts, number, source);
ALTER TABLE bars_long ADD PRIMARY KEY (symbol, series, ts, number, source);
ALTER TABLE bar_versions ADD PRIMARY KEY (symbol, series, ts, number, source, revision);

-- For the last bar of all symbols.
CREATE INDEX bars_short_series_ts ON bars_short (series, ts DESC);
CREATE INDEX bars_long_series_ts ON bars_long (series, ts DESC);

-- The one index of a table of ticks serves queries by symbol and time. It costs about as much as the
-- row itself: measured, 500,000 rows by binary COPY into a hypertable take 2.0 s without it, 4.2 s
-- with it, and 5.7 s with a unique one over the ordinals as well (two busy cores). A writer has time
-- for the one; a person who asks for a symbol's day has none for a scan.
--
-- Trades and quotes come with ascending times, and then PostgreSQL splits a page at its end: pages
-- stay full. Descending, each page is split in its middle.
CREATE INDEX trade_rows_symbol_ts ON trade_rows (symbol, ts);
CREATE INDEX quote_rows_symbol_ts ON quote_rows (symbol, ts);
CREATE INDEX depth_symbol_ts ON depth (symbol, ts DESC);
CREATE INDEX options_symbol_ts ON options (symbol, ts DESC);
CREATE INDEX news_symbol_ts ON news (symbol, ts DESC);
CREATE INDEX fundamentals_symbol_ts ON fundamentals (symbol, ts DESC);
CREATE INDEX indicators_name_symbol_ts ON indicators (name, symbol, ts DESC);
-- Values of periods that their provider may revise at any later time: few among those of operators.
CREATE INDEX indicators_revised ON indicators (name, symbol)
    WHERE period_start IS NOT NULL AND source NOT IN ('operator', 'universe');
CREATE INDEX provider_bars_symbol_ts ON provider_bars (symbol, ts DESC);
CREATE INDEX events_name_ts ON events (name, ts DESC);
-- When a symbol's subscription began, and the few records of loads among them all.
CREATE INDEX events_subscription ON events (symbol, source, ts) WHERE name = 'subscription';
CREATE INDEX events_load ON events (symbol, source)
    WHERE name = 'subscription' AND detail->>'mode' = 'historical';
CREATE INDEX late_ticks_symbol_ts ON late_ticks (symbol, ts DESC);

-- Moves the version that stood to bar_versions. The schema and the columns are written out: SET
-- search_path would cost each call more than the row does.
DO $$
DECLARE
    columns text[];
BEGIN
    SELECT array_agg(quote_ident(attname) ORDER BY attnum) INTO columns
    FROM pg_attribute
    WHERE attrelid = 'bar_versions'::regclass AND attnum > 0;
    EXECUTE format('CREATE FUNCTION keep_bar_version() RETURNS trigger LANGUAGE plpgsql AS $keep$
        BEGIN
            INSERT INTO %I.bar_versions (%s) VALUES (old.%s)
            ON CONFLICT (symbol, series, ts, number, source, revision) DO NOTHING;
            RETURN new;
        END $keep$', current_schema(), array_to_string(columns, ', '),
        array_to_string(columns, ', old.'));
END
$$;

CREATE TRIGGER keep_version BEFORE UPDATE ON bars_short FOR EACH ROW
    WHEN (new.revision > old.revision) EXECUTE FUNCTION keep_bar_version();
CREATE TRIGGER keep_version BEFORE UPDATE ON bars_long FOR EACH ROW
    WHEN (new.revision > old.revision) EXECUTE FUNCTION keep_bar_version();
