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
-- `replayed` counts the dead letters that were stored later: rows = written + replayed. A gap that
-- the tape itself reports has an ordinal like any tick, and is written.
CREATE OR REPLACE VIEW sink_audit AS
SELECT o.sink, o.input, o.partition, o.source, o.first_ordinal, o.last_ordinal, o.written,
    o.dead_lettered, o.skipped,
    o.last_ordinal - o.first_ordinal + 1 - o.written - o.dead_lettered - o.skipped
        - lost.ordinals AS missing,
    lost.ordinals AS gaps, o.given_twice, o.replayed
FROM sink_source_ordinals o
CROSS JOIN LATERAL (
    SELECT coalesce(sum(g.last_ordinal - g.first_ordinal + 1), 0)::bigint AS ordinals
    FROM gaps g
    WHERE (g.sink, g.input, g.partition, g.source) = (o.sink, o.input, o.partition, o.source)
        AND g.reason IN ('tape_lost', 'hole') AND g.ordinal IS NULL
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

-- What people's records say of each trade now: the last one counts, and after a restore none does.
-- As in the operators, a record that does not say what can be done counts as none. A trade with
-- another symbol or time at the address is another one.
CREATE OR REPLACE VIEW trade_changes_standing AS
SELECT of_source, partition, of_ordinal, symbol, event_time_ns, ts, change, price, size, ordinal
FROM (
    SELECT DISTINCT ON (of_source, partition, of_ordinal, symbol, event_time_ns) *
    FROM trade_changes
    WHERE source = 'manual' AND (change IN ('cancel', 'restore')
        OR change = 'correct' AND price IS NOT NULL AND size >= 0)
    ORDER BY of_source, partition, of_ordinal, symbol, event_time_ns, epoch DESC, ordinal DESC
) AS last
WHERE change <> 'restore';

-- The cancels and corrections by id, with the owner of the trades that each is about: a source, or the
-- group that it is a member of. Empty: a person named no source, so those of all owners.
CREATE OR REPLACE VIEW changes_by_id_owned AS
SELECT c.symbol, c.provider_id, c.action, c.price, c.size, c.exchange, c.conditions,
    c.source = 'manual' AS is_by_hand, c.stream_created_ns, c.sequence, c.ordinal,
    CASE WHEN c.source = 'manual' AND c.of_source = '' THEN ''
        ELSE coalesce(g.group_name, nullif(c.of_source, ''), c.source) END AS owner
FROM changes_by_id c
LEFT JOIN source_groups g
    ON (g.partition, g.source) = (c.partition, coalesce(nullif(c.of_source, ''), c.source));

-- Every trade as it came, and what it counts as now: the one place with the rule of cancels and
-- corrections, which is that of the operators (`TradeChanges`). What a person says of this very trade
-- by its address counts before all others. Else the last change by id on the tape counts, of the
-- trade's owner or of a person; and of a person's own trade that of a person alone. The event time of
-- a change by id is not compared: it says which windows are computed again.
--
-- `change` is cancel, correct, or NULL. A trade without `now_price` or `now_size` counts for nothing.
-- All changes of an id are joined as one list: most trades have none, and cost one look into a hash.
CREATE OR REPLACE VIEW trades_standing AS
SELECT ts, event_time_ns, symbol, price, size, exchange, conditions, flags, provider, provider_id,
    receive_time, source, partition, epoch, ordinal, of_source, owner,
    CASE WHEN by_address IS NOT NULL THEN by_address WHEN (by_id).action = 1 THEN 'correct'
        WHEN (by_id).action = 2 THEN 'cancel' END AS change,
    CASE WHEN by_address = 'correct' THEN address_price WHEN (by_id).action = 1 THEN (by_id).price
        ELSE price END AS now_price,
    CASE WHEN by_address = 'correct' THEN address_size WHEN (by_id).action = 1 THEN (by_id).size
        ELSE size END AS now_size,
    CASE WHEN (by_id).action = 1 THEN (by_id).exchange ELSE exchange END AS now_exchange,
    CASE WHEN (by_id).action = 1 THEN (by_id).conditions ELSE conditions END AS now_conditions
FROM (
    SELECT t.*, coalesce(g.group_name, t.of_source, t.source) AS owner, h.change AS by_address,
        h.price AS address_price, h.size AS address_size,
        CASE WHEN c.changes IS NOT NULL AND h.change IS NULL THEN (
            SELECT u FROM unnest(c.changes) AS u
            WHERE (u.is_by_hand OR t.source <> 'manual')
                AND u.owner IN (coalesce(g.group_name, t.of_source, t.source), '')
            ORDER BY u.stream_created_ns DESC, u.sequence DESC, u.ordinal DESC LIMIT 1
        ) END AS by_id
    FROM trades t
    LEFT JOIN source_groups g
        ON (g.partition, g.source) = (t.partition, coalesce(t.of_source, t.source))
    LEFT JOIN trade_changes_standing h
        ON (h.of_source, h.partition, h.of_ordinal) = (t.source, t.partition, t.ordinal)
            AND (h.symbol, h.event_time_ns) = (t.symbol, t.event_time_ns)
    LEFT JOIN (
        SELECT symbol, provider_id, array_agg(o) AS changes
        FROM changes_by_id_owned o
        GROUP BY symbol, provider_id
    ) AS c ON (c.symbol, c.provider_id) = (t.symbol, t.provider_id)
    WHERE t.action = 0
) AS told;

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
