-- Every record of the tape has its table. As trades and quotes these are only ever added to, and
-- end with the same columns, which 0001 explains: `ts` rounded down, exact times in `_ns`, NULL for
-- "undefined", (source, partition, ordinal) as on the tape and without an index of their own. Names
-- of kinds and reasons are words; a number is one that the writer's version does not know.
--
-- All are cut by `ts`: a key that must be unique would have to contain it, and none is needed.

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

CREATE INDEX depth_symbol_ts ON depth (symbol, ts DESC);

COMMENT ON TABLE depth IS 'one row per change of a row of a book, and per reset of a book';
COMMENT ON COLUMN depth.operation IS
    'insert (rows from this position on move down), update, delete (rows behind it move up), or '
    'reset: all rows of the book known so far are void';
COMMENT ON COLUMN depth.side IS 'ask or bid; NULL of a reset';
COMMENT ON COLUMN depth.position IS 'the row of the book, from 0';
COMMENT ON COLUMN depth.market_maker IS 'or the exchange, of a book of several';
COMMENT ON COLUMN depth.book_flags IS
    'bits: 1 put together from several exchanges, 2 the provider names market makers';
COMMENT ON COLUMN depth.reason IS 'of a reset: unknown, reset, halted or disconnected';

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
    flags              integer     NOT NULL DEFAULT 0,
    provider           text        NOT NULL DEFAULT '',
    provider_id        numeric,
    provider_time      timestamptz,
    time_resolution    smallint    NOT NULL DEFAULT 0,
    receive_time       timestamptz NOT NULL,
    receive_time_ns    bigint      NOT NULL,
    source             text        NOT NULL,
    partition          integer     NOT NULL,
    epoch              bigint      NOT NULL,
    ordinal            bigint      NOT NULL
);

CREATE INDEX options_symbol_ts ON options (symbol, ts DESC);

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

CREATE INDEX news_symbol_ts ON news (symbol, ts DESC);

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

CREATE INDEX fundamentals_symbol_ts ON fundamentals (symbol, ts DESC);

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

CREATE INDEX indicators_name_ts ON indicators (name, ts DESC);

COMMENT ON TABLE indicators IS 'values of economic series, each for one period';
COMMENT ON COLUMN indicators.ts IS 'when it was published';
COMMENT ON COLUMN indicators.period_start IS
    'what the value is about: [period_start, period_end)';
COMMENT ON COLUMN indicators.revision IS '0 for the first publication, then counting';

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
    flags              integer     NOT NULL DEFAULT 0,
    provider           text        NOT NULL DEFAULT '',
    provider_id        numeric,
    provider_time      timestamptz,
    time_resolution    smallint    NOT NULL DEFAULT 0,
    receive_time       timestamptz NOT NULL,
    receive_time_ns    bigint      NOT NULL,
    source             text        NOT NULL,
    partition          integer     NOT NULL,
    epoch              bigint      NOT NULL,
    ordinal            bigint      NOT NULL
);

CREATE INDEX provider_bars_symbol_ts ON provider_bars (symbol, ts DESC);

COMMENT ON TABLE provider_bars IS
    'bars that a provider made, as they came; those that this system makes are in bars';
COMMENT ON COLUMN provider_bars.ts IS 'close time: the window is [open_time, ts)';
COMMENT ON COLUMN provider_bars.made_of IS
    'trades, midpoint, bid, ask, bid_ask, historical_volatility, implied_volatility or unknown';
COMMENT ON COLUMN provider_bars.volume IS 'NULL when the provider gave none; so are trades';
COMMENT ON COLUMN provider_bars.bar_flags IS
    'bits: 1 in progress (it comes again), 2 of regular trading hours only';

CREATE TABLE events (
    ts              timestamptz NOT NULL,
    event_time_ns   bigint      NOT NULL,
    symbol          text,
    input           text        NOT NULL,
    template        integer     NOT NULL,
    name            text        NOT NULL,
    detail          jsonb,
    payload         bytea,
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

CREATE INDEX events_name_ts ON events (name, ts DESC);

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

CREATE INDEX late_ticks_symbol_ts ON late_ticks (symbol, ts DESC);

COMMENT ON TABLE late_ticks IS 'ticks that a series of bars did not count';
COMMENT ON COLUMN late_ticks.reason IS 'window_closed, window_limit or duplicate';
COMMENT ON COLUMN late_ticks.kind IS 'trade or quote';
COMMENT ON COLUMN late_ticks.price IS 'of a trade, or a quote''s bid; so are size and exchange';
COMMENT ON COLUMN late_ticks.conditions IS 'of a trade, or the exchange of a quote''s ask';
COMMENT ON COLUMN late_ticks.open_time IS
    'the window into which it would have gone: [open_time, close_time)';
COMMENT ON COLUMN late_ticks.of_ordinal IS 'of the tick: (of_source, partition, of_ordinal)';

-- As in 0002.
DO $$
DECLARE
    extension_schema name;
    table_name       text;
BEGIN
    SELECT n.nspname INTO extension_schema
    FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
    WHERE e.extname = 'timescaledb';
    IF extension_schema IS NULL THEN
        RETURN;
    END IF;
    FOREACH table_name IN ARRAY ARRAY['depth', 'options', 'news', 'fundamentals', 'indicators',
        'provider_bars', 'events', 'late_ticks'] LOOP
        EXECUTE format(
            'SELECT %I.create_hypertable(%L::regclass, ''ts'',
                chunk_time_interval => interval ''1 day'', create_default_indexes => false)',
            extension_schema, table_name);
    END LOOP;
END
$$;
