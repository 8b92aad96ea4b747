-- What a row of trades and of quotes costs: bytes of the table, of its index and of the transaction
-- log, and microseconds of one session's \copy. `wide` are rows with the columns of the views,
-- `narrow` those of trade_rows and quote_rows. It makes a million rows of each in the schema row_cost, and drops it:
--
--     psql -X -f deploy/postgres/row-cost.sql postgresql://…/a_database_without_load
--
-- The namespace is that of the setting `schema` (md); its views and tables are the shapes. The rows are
-- like those of a broker: 500 symbols, some traded more than others, prices with two decimals, no ids.
-- Bytes are the same in each run. Microseconds are those of the machine: run it several times.

\ir namespace.sql
SET client_min_messages = warning;
SET synchronous_commit = off;
SET timezone = 'UTC';
\pset footer off
\timing off
DROP SCHEMA IF EXISTS row_cost CASCADE;
CREATE SCHEMA row_cost;
CREATE TABLE row_cost.wide_trades AS SELECT * FROM :"schema".trades WITH NO DATA;
CREATE TABLE row_cost.wide_quotes AS SELECT * FROM :"schema".quotes WITH NO DATA;
CREATE TABLE row_cost.narrow_trades (LIKE :"schema".trade_rows);
CREATE TABLE row_cost.narrow_quotes (LIKE :"schema".quote_rows);
CREATE INDEX ON row_cost.wide_trades (symbol, ts DESC);
CREATE INDEX ON row_cost.wide_quotes (symbol, ts DESC);
CREATE INDEX ON row_cost.narrow_trades (symbol, ts);
CREATE INDEX ON row_cost.narrow_quotes (symbol, ts);
CREATE TABLE row_cost.said (rows text, bytes numeric, index_bytes numeric, log_bytes numeric, us numeric);
SELECT setseed(0.5) AS seed \gset
CREATE UNLOGGED TABLE row_cost.made AS
SELECT n, timestamptz '2026-03-02 14:30Z' + n * interval '2 ms' AS ts, (n::bigint * 7919 % 1000)::smallint AS rest,
    'S' || lpad(floor(500 * power(random(), 2))::integer::text, 3, '0') AS symbol,
    round((20 + random() * 400)::numeric, 2) AS price,
    (CASE WHEN random() < 0.5 THEN 100 ELSE ceil(random() * 900) END)::integer::numeric AS size,
    substr('QKPZNVD', 1 + floor(random() * 7)::integer, 1) AS exchange,
    CASE WHEN random() < 0.3 THEN '@I' ELSE '@' END AS conditions
FROM generate_series(1, 1000000) AS n;

CREATE FUNCTION row_cost.exact(at timestamptz, rest integer) RETURNS bigint LANGUAGE sql
RETURN (extract(epoch FROM at) * 1000000000 + rest)::bigint;

\copy (SELECT ts, row_cost.exact(ts, rest), symbol, price, size, exchange, conditions, 0::smallint, 0, 'ibkr', NULL::numeric, ts, 3::smallint, ts + interval '3 ms', row_cost.exact(ts + interval '3 ms', rest), 'ibkr', 7, 9::bigint, n::bigint, NULL::text FROM row_cost.made ORDER BY n) TO 'row-cost.wide_trades' (FORMAT binary)
\copy (SELECT ts, ts + interval '3 ms', 9::bigint, n::bigint, 7::smallint, rest, rest, 0::smallint, 0::smallint, 3::smallint, symbol, 'ibkr', 'ibkr', exchange, conditions, '', 0::numeric, price, size FROM row_cost.made ORDER BY n) TO 'row-cost.narrow_trades' (FORMAT binary)
\copy (SELECT ts, row_cost.exact(ts, rest), symbol, price, size, price + 0.01, size, exchange, exchange, 0, 'ibkr', NULL::numeric, ts, 3::smallint, ts + interval '3 ms', row_cost.exact(ts + interval '3 ms', rest), 'ibkr', 7, 9::bigint, n::bigint, NULL::text FROM row_cost.made ORDER BY n) TO 'row-cost.wide_quotes' (FORMAT binary)
\copy (SELECT ts, ts + interval '3 ms', 9::bigint, n::bigint, 7::smallint, rest, rest, 0::smallint, 3::smallint, symbol, 'ibkr', 'ibkr', exchange, exchange, '', 0::numeric, price, size, price + 0.01, size FROM row_cost.made ORDER BY n) TO 'row-cost.narrow_quotes' (FORMAT binary)

SELECT pg_current_wal_lsn() AS log, clock_timestamp() AS began \gset
\copy row_cost.wide_trades FROM 'row-cost.wide_trades' (FORMAT binary)
INSERT INTO row_cost.said SELECT 'wide_trades', pg_relation_size('row_cost.wide_trades'), pg_indexes_size('row_cost.wide_trades'), pg_wal_lsn_diff(pg_current_wal_lsn(), :'log'), extract(epoch FROM clock_timestamp() - :'began') * 1e6;
SELECT pg_current_wal_lsn() AS log, clock_timestamp() AS began \gset
\copy row_cost.narrow_trades FROM 'row-cost.narrow_trades' (FORMAT binary)
INSERT INTO row_cost.said SELECT 'narrow_trades', pg_relation_size('row_cost.narrow_trades'), pg_indexes_size('row_cost.narrow_trades'), pg_wal_lsn_diff(pg_current_wal_lsn(), :'log'), extract(epoch FROM clock_timestamp() - :'began') * 1e6;
SELECT pg_current_wal_lsn() AS log, clock_timestamp() AS began \gset
\copy row_cost.wide_quotes FROM 'row-cost.wide_quotes' (FORMAT binary)
INSERT INTO row_cost.said SELECT 'wide_quotes', pg_relation_size('row_cost.wide_quotes'), pg_indexes_size('row_cost.wide_quotes'), pg_wal_lsn_diff(pg_current_wal_lsn(), :'log'), extract(epoch FROM clock_timestamp() - :'began') * 1e6;
SELECT pg_current_wal_lsn() AS log, clock_timestamp() AS began \gset
\copy row_cost.narrow_quotes FROM 'row-cost.narrow_quotes' (FORMAT binary)
INSERT INTO row_cost.said SELECT 'narrow_quotes', pg_relation_size('row_cost.narrow_quotes'), pg_indexes_size('row_cost.narrow_quotes'), pg_wal_lsn_diff(pg_current_wal_lsn(), :'log'), extract(epoch FROM clock_timestamp() - :'began') * 1e6;

SELECT rows, round(bytes / 1e6) AS bytes, round(index_bytes / 1e6) AS index_bytes,
    round((bytes + index_bytes) / 1e6) AS together, round(log_bytes / 1e6) AS log_bytes,
    round(us / 1e6, 2) AS microseconds
FROM row_cost.said;
DROP SCHEMA row_cost CASCADE;
\! rm -f row-cost.wide_trades row-cost.narrow_trades row-cost.wide_quotes row-cost.narrow_quotes
