-- Returns the stream of an indicator's ordinals. Indicators of operators have ordinals of the
-- stream of bars, those of providers have ordinals of ticks. The view below and the retention use
-- this.
CREATE OR REPLACE FUNCTION indicator_input(p_source text) RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE WHEN p_source IN ('operator', 'universe') THEN 'bars' ELSE 'ticks' END
$$;

-- The completeness of the data as an equation over the sinks' own books: `missing` is 0 in every
-- row. Ordinals that were lost with the tape are accounted for by rows of `gaps` that the books
-- noted. Repeated ordinals are outside of the equation, because their first occurrence is in it.
-- `waiting` is left to a group of tables that waits apart, and will be written.
-- `replayed` counts the dead letters that were stored later: rows = written + replayed. A gap that
-- the tape itself reports has an ordinal like any tick, and is written. So is, here, what was copied from
-- another store.
CREATE OR REPLACE VIEW sink_audit AS
SELECT o.sink, o.input, o.partition, o.source,
    coalesce(o.filled_first, o.first_ordinal) AS first_ordinal, o.last_ordinal,
    o.written + o.filled + coalesce(a.written, 0) AS written,
    o.dead_lettered + coalesce(a.dead_lettered, 0) AS dead_lettered,
    o.skipped - o.filled_skipped AS skipped,
    o.last_ordinal - coalesce(o.filled_first, o.first_ordinal) + 1 - o.written - o.filled
        - o.dead_lettered - (o.skipped - o.filled_skipped) - o.apart - lost.ordinals AS missing,
    lost.ordinals AS gaps, o.given_twice, o.replayed,
    o.apart - coalesce(a.written + a.dead_lettered, 0) AS waiting
FROM sink_source_ordinals o
LEFT JOIN apart_counts a USING (sink, input, partition, source)
CROSS JOIN LATERAL (
    SELECT coalesce(sum(g.last_ordinal - g.first_ordinal + 1), 0)::bigint AS ordinals
    FROM book_gaps g
    WHERE (g.sink, g.input, g.partition, g.source) = (o.sink, o.input, o.partition, o.source)
        AND g.reason IN ('tape_lost', 'hole')
) AS lost;

-- Every ordinal that has a row, with the stream that assigned it. This is the one place that names
-- all tables to which rows are only added. Bars are not among them, because only the last version
-- of a bar is a row.
CREATE OR REPLACE VIEW stored_ordinals AS
SELECT 'ticks' AS input, source, partition, ordinal, ts, receive_time FROM trades
UNION ALL
SELECT 'ticks', source, partition, ordinal, ts, receive_time FROM quotes
UNION ALL
SELECT 'ticks', source, partition, ordinal, ts, receive_time FROM depth
UNION ALL
SELECT 'ticks', source, partition, ordinal, ts, receive_time FROM options
UNION ALL
SELECT 'ticks', source, partition, ordinal, ts, receive_time FROM news
UNION ALL
SELECT 'ticks', source, partition, ordinal, ts, receive_time FROM fundamentals
UNION ALL
SELECT indicator_input(source), source, partition, ordinal, ts, receive_time FROM indicators
UNION ALL
SELECT 'ticks', source, partition, ordinal, ts, receive_time FROM provider_bars
UNION ALL
-- Not partitioned by time; its rows have the time of receipt.
SELECT 'ticks', source, partition, ordinal, coalesce(receive_time, noted_at), receive_time
FROM gaps WHERE ordinal IS NOT NULL
UNION ALL
SELECT input, source, partition, ordinal, ts, receive_time FROM events
UNION ALL
-- Not partitioned by time, either. Its rows have the time of the trade that they concern.
SELECT 'ticks', source, partition, ordinal, receive_time, receive_time FROM trade_changes
UNION ALL
SELECT 'bars', source, partition, ordinal, ts, receive_time FROM late_ticks;

-- The same from the rows themselves: every ordinal once, none missing in between. It reads the
-- complete tables, so it is meant for audits and not for dashboards.
CREATE OR REPLACE VIEW stored_ticks AS
SELECT source, partition, count(*) AS rows, count(DISTINCT ordinal) AS ordinals,
    min(ordinal) AS first_ordinal, max(ordinal) AS last_ordinal
FROM stored_ordinals
WHERE input = 'ticks'
GROUP BY source, partition;

-- What people's records say of each trade, of those that were known at p_at (NULL: of all): the last one
-- counts, and after a restore none does. As in the operators, a record that does not say what can be done
-- counts as none. A trade with another symbol or time at the address is another one.
CREATE OR REPLACE FUNCTION trade_changes_at(p_at timestamptz)
RETURNS TABLE (of_source text, partition integer, of_ordinal bigint, symbol text, event_time_ns bigint,
    ts timestamptz, change text, price numeric, size numeric, ordinal bigint)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT last.of_source, last.partition, last.of_ordinal, last.symbol, last.event_time_ns, last.ts,
        last.change, last.price, last.size, last.ordinal
    FROM (
        SELECT DISTINCT ON (c.of_source, c.partition, c.of_ordinal, c.symbol, c.event_time_ns) c.*
        FROM trade_changes c
        WHERE c.source = 'manual' AND (c.change IN ('cancel', 'restore')
            OR c.change = 'correct' AND c.price IS NOT NULL AND c.size >= 0)
            AND (p_at IS NULL OR greatest(c.receive_time, (SELECT k.taken_at
                FROM taken_at('ticks', c.partition, c.source, c.ordinal) k)) <= p_at)
        ORDER BY c.of_source, c.partition, c.of_ordinal, c.symbol, c.event_time_ns, c.epoch DESC,
            c.ordinal DESC
    ) AS last
    WHERE last.change <> 'restore';
END;

CREATE OR REPLACE VIEW trade_changes_standing AS SELECT * FROM trade_changes_at(NULL);

-- The cancels and corrections by id, with the owner of the trades that each is about: a source, or the
-- group that it is a member of. Empty: a person named no source, so those of all owners.
CREATE OR REPLACE VIEW changes_by_id_owned AS
SELECT c.symbol, c.provider_id, c.action, c.price, c.size, c.exchange, c.conditions,
    c.source = 'manual' AS is_by_hand, c.stream_created_ns, c.sequence, c.ordinal,
    CASE WHEN c.source = 'manual' AND c.of_source = '' THEN ''
        ELSE coalesce(g.group_name, nullif(c.of_source, ''), c.source) END AS owner,
    c.source, c.partition, c.receive_time
FROM changes_by_id c
LEFT JOIN source_groups g
    ON (g.partition, g.source) = (c.partition, coalesce(nullif(c.of_source, ''), c.source));

-- Returns whose a person's trade is that names no source, as in the operators: of the only owner that has
-- bars of its symbol, else of the only one of them whose provider is the same. NULL: of none. No command
-- makes such trades, so this may cost a look at the bars of two days.
CREATE OR REPLACE FUNCTION owner_by_hand(p_symbol text, p_ts timestamptz, p_provider text) RETURNS text
LANGUAGE sql STABLE SET search_path FROM CURRENT
AS $$
    SELECT CASE WHEN count(*) = 1 THEN min(o.owner)
        WHEN count(*) FILTER (WHERE o.provider = p_provider) = 1
            THEN min(o.owner) FILTER (WHERE o.provider = p_provider) END
    FROM (
        SELECT b.owner, (
            SELECT t.provider
            FROM (SELECT ts, source, partition, provider FROM trade_rows WHERE symbol = p_symbol
                UNION ALL
                SELECT ts, source, partition, provider FROM quote_rows WHERE symbol = p_symbol) AS t
            LEFT JOIN source_groups g ON (g.partition, g.source) = (t.partition, t.source)
            WHERE t.ts >= p_ts - interval '1 day' AND t.ts < p_ts + interval '1 day'
                AND t.source <> 'manual' AND coalesce(g.group_name, t.source) = b.owner
            ORDER BY t.ts DESC LIMIT 1) AS provider
        FROM (SELECT source AS owner FROM bars_short WHERE symbol = p_symbol
                AND ts >= p_ts - interval '1 day' AND ts < p_ts + interval '1 day'
            UNION
            SELECT source FROM bars_long WHERE symbol = p_symbol
                AND ts >= p_ts - interval '1 day' AND ts < p_ts + interval '1 day') AS b
    ) AS o
$$;

-- Every trade as it came, and what it counts as by the changes that were known at p_at (NULL: by all): the
-- one place with the rule of cancels and corrections, which is that of the operators (`TradeChanges`). What
-- a person says of this very trade by its address counts before all others. Else the last change by id on
-- the tape counts, of the trade's owner or of a person; and of a person's own trade that of a person alone.
-- The event time of a change by id is not compared: it says which windows are computed again.
--
-- `change` is cancel, correct, or NULL. A trade without `now_price` or `now_size` counts for nothing.
-- Changes by id are looked up for each trade by their index. A query has this text in its own plan.
CREATE OR REPLACE FUNCTION trades_at(p_at timestamptz)
RETURNS TABLE (ts timestamptz, event_time_ns bigint, symbol text, price numeric, size numeric,
    exchange text, conditions text, flags integer, provider text, provider_id numeric,
    receive_time timestamptz, source text, partition integer, epoch bigint, ordinal bigint,
    of_source text, owner text, change text, now_price numeric, now_size numeric, now_exchange text,
    now_conditions text, time_resolution smallint, receive_time_ns bigint)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT t.ts, t.event_time_ns, t.symbol, t.price, t.size, t.exchange, t.conditions, t.flags,
        t.provider, t.provider_id, t.receive_time, t.source, t.partition, t.epoch, t.ordinal,
        t.of_source, coalesce(g.group_name, t.of_source, CASE WHEN t.source = 'manual'
            THEN owner_by_hand(t.symbol, t.ts, t.provider) ELSE t.source END),
        CASE WHEN h.change IS NOT NULL THEN h.change WHEN c.action = 1 THEN 'correct'
            WHEN c.action = 2 THEN 'cancel' END,
        CASE WHEN h.change = 'correct' THEN h.price WHEN c.action = 1 THEN c.price ELSE t.price END,
        CASE WHEN h.change = 'correct' THEN h.size WHEN c.action = 1 THEN c.size ELSE t.size END,
        CASE WHEN c.action = 1 THEN c.exchange ELSE t.exchange END,
        CASE WHEN c.action = 1 THEN c.conditions ELSE t.conditions END,
        t.time_resolution, t.receive_time_ns
    FROM trades t
    LEFT JOIN source_groups g
        ON (g.partition, g.source) = (t.partition, coalesce(t.of_source, t.source))
    LEFT JOIN trade_changes_at(p_at) h
        ON (h.of_source, h.partition, h.of_ordinal) = (t.source, t.partition, t.ordinal)
            AND (h.symbol, h.event_time_ns) = (t.symbol, t.event_time_ns)
    LEFT JOIN LATERAL (
        SELECT u.action, u.price, u.size, u.exchange, u.conditions
        FROM changes_by_id_owned u
        WHERE (u.symbol, u.provider_id) = (t.symbol, t.provider_id) AND h.change IS NULL
            AND (u.is_by_hand OR t.source <> 'manual')
            AND u.owner IN (coalesce(g.group_name, t.of_source, CASE WHEN t.source = 'manual'
                THEN owner_by_hand(t.symbol, t.ts, t.provider) ELSE t.source END), '')
            AND (p_at IS NULL OR greatest(u.receive_time, (SELECT k.taken_at
                FROM taken_at('ticks', u.partition, u.source, u.ordinal) k)) <= p_at)
        ORDER BY u.stream_created_ns DESC, u.sequence DESC, u.ordinal DESC LIMIT 1
    ) AS c ON true
    WHERE t.action = 0;
END;

CREATE OR REPLACE VIEW trades_standing AS SELECT * FROM trades_at(NULL);

-- Documents assembled from their parts. `complete` is true if all parts are there and have the
-- right length. If a part came twice, the later one is used.
CREATE OR REPLACE VIEW fundamental_documents AS
SELECT symbol, report, provider, provider_id, min(ts) AS ts, source, partition, parts,
    document_bytes, count(*) AS parts_stored,
    count(*) = parts AND sum(length(content)) = document_bytes AS complete,
    string_agg(content, ''::bytea ORDER BY part) AS content
FROM (
    SELECT DISTINCT ON (symbol, report, provider, provider_id, source, partition, parts,
        document_bytes, part) *
    FROM fundamentals
    ORDER BY symbol, report, provider, provider_id, source, partition, parts, document_bytes, part,
        epoch DESC, ordinal DESC
) AS part
GROUP BY symbol, report, provider, provider_id, source, partition, parts, document_bytes;
