-- What 'store-writer migrate' makes, and 'make pages' writes here.

CREATE TABLE IF NOT EXISTS "trades" (
    "ts" TIMESTAMP_NS,
    "ts_rest_ns" LONG,
    "receive_time" TIMESTAMP_NS,
    "receive_rest_ns" LONG,
    "symbol" SYMBOL,
    "price" DECIMAL(38,9),
    "size" DECIMAL(38,8),
    "exchange" SYMBOL,
    "conditions" SYMBOL,
    "action" LONG,
    "flags" LONG,
    "time_resolution" LONG,
    "provider" SYMBOL,
    "of_source" SYMBOL,
    "provider_id" DECIMAL(20,0),
    "source" SYMBOL,
    "partition" LONG,
    "epoch" LONG,
    "ordinal" LONG,
    "taken_at" TIMESTAMP_NS
) TIMESTAMP("ts") PARTITION BY DAY WAL
DEDUP UPSERT KEYS("ts", "source", "partition", "ordinal");

CREATE TABLE IF NOT EXISTS "quotes" (
    "ts" TIMESTAMP_NS,
    "ts_rest_ns" LONG,
    "receive_time" TIMESTAMP_NS,
    "receive_rest_ns" LONG,
    "symbol" SYMBOL,
    "bid_price" DECIMAL(38,9),
    "bid_size" DECIMAL(38,8),
    "ask_price" DECIMAL(38,9),
    "ask_size" DECIMAL(38,8),
    "bid_exchange" SYMBOL,
    "ask_exchange" SYMBOL,
    "flags" LONG,
    "time_resolution" LONG,
    "provider" SYMBOL,
    "of_source" SYMBOL,
    "provider_id" DECIMAL(20,0),
    "source" SYMBOL,
    "partition" LONG,
    "epoch" LONG,
    "ordinal" LONG,
    "taken_at" TIMESTAMP_NS
) TIMESTAMP("ts") PARTITION BY DAY WAL
DEDUP UPSERT KEYS("ts", "source", "partition", "ordinal");

CREATE TABLE IF NOT EXISTS "depth" (
    "ts" TIMESTAMP_NS,
    "event_time_ns" LONG,
    "symbol" SYMBOL,
    "operation" SYMBOL,
    "side" SYMBOL,
    "position" LONG,
    "price" DECIMAL(38,9),
    "size" DECIMAL(38,8),
    "market_maker" SYMBOL,
    "book_flags" LONG,
    "reason" SYMBOL,
    "flags" LONG,
    "provider" SYMBOL,
    "provider_id" DECIMAL(20,0),
    "provider_time" TIMESTAMP_NS,
    "time_resolution" LONG,
    "receive_time" TIMESTAMP_NS,
    "receive_time_ns" LONG,
    "source" SYMBOL,
    "partition" LONG,
    "epoch" LONG,
    "ordinal" LONG,
    "taken_at" TIMESTAMP_NS
) TIMESTAMP("ts") PARTITION BY DAY WAL
DEDUP UPSERT KEYS("ts", "source", "partition", "ordinal");

CREATE TABLE IF NOT EXISTS "options" (
    "ts" TIMESTAMP_NS,
    "event_time_ns" LONG,
    "symbol" SYMBOL,
    "computed_from" SYMBOL,
    "basis" SYMBOL,
    "implied_volatility" DECIMAL(38,9),
    "delta" DECIMAL(38,9),
    "gamma" DECIMAL(38,9),
    "vega" DECIMAL(38,9),
    "theta" DECIMAL(38,9),
    "option_price" DECIMAL(38,9),
    "dividends" DECIMAL(38,9),
    "underlying_price" DECIMAL(38,9),
    "flags" LONG,
    "provider" SYMBOL,
    "provider_id" DECIMAL(20,0),
    "provider_time" TIMESTAMP_NS,
    "time_resolution" LONG,
    "receive_time" TIMESTAMP_NS,
    "receive_time_ns" LONG,
    "source" SYMBOL,
    "partition" LONG,
    "epoch" LONG,
    "ordinal" LONG,
    "taken_at" TIMESTAMP_NS
) TIMESTAMP("ts") PARTITION BY DAY WAL
DEDUP UPSERT KEYS("ts", "source", "partition", "ordinal");

CREATE TABLE IF NOT EXISTS "news" (
    "ts" TIMESTAMP_NS,
    "event_time_ns" LONG,
    "symbol" SYMBOL,
    "kind" SYMBOL,
    "publisher" SYMBOL,
    "article" VARCHAR,
    "body" VARCHAR,
    "extra" VARCHAR,
    "bulletin_kind" SYMBOL,
    "exchange" SYMBOL,
    "flags" LONG,
    "provider" SYMBOL,
    "provider_id" DECIMAL(20,0),
    "provider_time" TIMESTAMP_NS,
    "time_resolution" LONG,
    "receive_time" TIMESTAMP_NS,
    "receive_time_ns" LONG,
    "source" SYMBOL,
    "partition" LONG,
    "epoch" LONG,
    "ordinal" LONG,
    "taken_at" TIMESTAMP_NS
) TIMESTAMP("ts") PARTITION BY MONTH WAL
DEDUP UPSERT KEYS("ts", "source", "partition", "ordinal");

CREATE TABLE IF NOT EXISTS "fundamentals" (
    "ts" TIMESTAMP_NS,
    "event_time_ns" LONG,
    "symbol" SYMBOL,
    "report" SYMBOL,
    "part" LONG,
    "parts" LONG,
    "document_bytes" LONG,
    "content" VARCHAR,
    "flags" LONG,
    "provider" SYMBOL,
    "provider_id" DECIMAL(20,0),
    "provider_time" TIMESTAMP_NS,
    "time_resolution" LONG,
    "receive_time" TIMESTAMP_NS,
    "receive_time_ns" LONG,
    "source" SYMBOL,
    "partition" LONG,
    "epoch" LONG,
    "ordinal" LONG,
    "taken_at" TIMESTAMP_NS
) TIMESTAMP("ts") PARTITION BY MONTH WAL
DEDUP UPSERT KEYS("ts", "source", "partition", "ordinal");

CREATE TABLE IF NOT EXISTS "indicators" (
    "ts" TIMESTAMP_NS,
    "event_time_ns" LONG,
    "symbol" SYMBOL,
    "name" SYMBOL,
    "unit" SYMBOL,
    "value" DECIMAL(38,9),
    "period_start" TIMESTAMP_NS,
    "period_start_ns" LONG,
    "period_end" TIMESTAMP_NS,
    "period_end_ns" LONG,
    "revision" LONG,
    "of_source" SYMBOL,
    "flags" LONG,
    "provider" SYMBOL,
    "provider_id" DECIMAL(20,0),
    "provider_time" TIMESTAMP_NS,
    "time_resolution" LONG,
    "receive_time" TIMESTAMP_NS,
    "receive_time_ns" LONG,
    "source" SYMBOL,
    "partition" LONG,
    "epoch" LONG,
    "ordinal" LONG,
    "taken_at" TIMESTAMP_NS
) TIMESTAMP("ts") PARTITION BY MONTH WAL
DEDUP UPSERT KEYS("ts", "source", "partition", "ordinal");

CREATE TABLE IF NOT EXISTS "provider_bars" (
    "ts" TIMESTAMP_NS,
    "event_time_ns" LONG,
    "symbol" SYMBOL,
    "made_of" SYMBOL,
    "open_time" TIMESTAMP_NS,
    "open_time_ns" LONG,
    "open" DECIMAL(38,9),
    "high" DECIMAL(38,9),
    "low" DECIMAL(38,9),
    "close" DECIMAL(38,9),
    "vwap" DECIMAL(38,9),
    "volume" DECIMAL(38,8),
    "trades" LONG,
    "bar_flags" LONG,
    "provider_time_ns" LONG,
    "flags" LONG,
    "provider" SYMBOL,
    "provider_id" DECIMAL(20,0),
    "provider_time" TIMESTAMP_NS,
    "time_resolution" LONG,
    "receive_time" TIMESTAMP_NS,
    "receive_time_ns" LONG,
    "source" SYMBOL,
    "partition" LONG,
    "epoch" LONG,
    "ordinal" LONG,
    "taken_at" TIMESTAMP_NS
) TIMESTAMP("ts") PARTITION BY MONTH WAL
DEDUP UPSERT KEYS("ts", "source", "partition", "ordinal");

CREATE TABLE IF NOT EXISTS "gaps" (
    "sink" SYMBOL,
    "input" SYMBOL,
    "partition" LONG,
    "source" SYMBOL,
    "reason" SYMBOL,
    "detail" VARCHAR,
    "symbol" SYMBOL,
    "kind" SYMBOL,
    "from_time" TIMESTAMP_NS,
    "from_time_ns" LONG,
    "to_time" TIMESTAMP_NS,
    "to_time_ns" LONG,
    "state" SYMBOL,
    "lost_first_ordinal" LONG,
    "lost_last_ordinal" LONG,
    "receive_time" TIMESTAMP_NS,
    "epoch" LONG,
    "ordinal" LONG,
    "taken_at" TIMESTAMP_NS
) TIMESTAMP("receive_time") PARTITION BY YEAR WAL
DEDUP UPSERT KEYS("receive_time", "source", "partition", "ordinal");

CREATE TABLE IF NOT EXISTS "events" (
    "ts" TIMESTAMP_NS,
    "event_time_ns" LONG,
    "symbol" SYMBOL,
    "input" SYMBOL,
    "template" LONG,
    "name" SYMBOL,
    "detail" VARCHAR,
    "payload" VARCHAR,
    "flags" LONG,
    "provider" SYMBOL,
    "provider_id" DECIMAL(20,0),
    "provider_time" TIMESTAMP_NS,
    "time_resolution" LONG,
    "receive_time" TIMESTAMP_NS,
    "receive_time_ns" LONG,
    "source" SYMBOL,
    "partition" LONG,
    "epoch" LONG,
    "ordinal" LONG,
    "taken_at" TIMESTAMP_NS
) TIMESTAMP("ts") PARTITION BY MONTH WAL
DEDUP UPSERT KEYS("ts", "source", "partition", "ordinal");

CREATE TABLE IF NOT EXISTS "bar_versions" (
    "symbol" SYMBOL,
    "series" SYMBOL,
    "ts" TIMESTAMP_NS,
    "number" LONG,
    "open" DECIMAL(38,9),
    "high" DECIMAL(38,9),
    "low" DECIMAL(38,9),
    "close" DECIMAL(38,9),
    "volume" DECIMAL(38,8),
    "vwap" DECIMAL(38,9),
    "notional" DECIMAL(38,17),
    "trades" LONG,
    "excluded" LONG,
    "excluded_condition" LONG,
    "excluded_odd_lot" LONG,
    "excluded_filter" LONG,
    "excluded_undefined" LONG,
    "open_time_ns" LONG,
    "close_time" TIMESTAMP_NS,
    "close_time_ns" LONG,
    "generation" LONG,
    "revision" LONG,
    "reason" SYMBOL,
    "partial" BOOLEAN,
    "mixed_providers" BOOLEAN,
    "source" SYMBOL,
    "partition" LONG,
    "ordinal" LONG,
    "withdrawn" BOOLEAN,
    "filled" BOOLEAN,
    "lateness_ns" LONG,
    "sent_at" TIMESTAMP_NS,
    "taken_at" TIMESTAMP_NS
) TIMESTAMP("ts") PARTITION BY MONTH WAL
DEDUP UPSERT KEYS("ts", "source", "partition", "ordinal", "revision");

CREATE TABLE IF NOT EXISTS "late_ticks" (
    "ts" TIMESTAMP_NS,
    "event_time_ns" LONG,
    "symbol" SYMBOL,
    "series" SYMBOL,
    "reason" SYMBOL,
    "kind" SYMBOL,
    "price" DECIMAL(38,9),
    "size" DECIMAL(38,8),
    "exchange" SYMBOL,
    "conditions" SYMBOL,
    "ask_price" DECIMAL(38,9),
    "ask_size" DECIMAL(38,8),
    "open_time" TIMESTAMP_NS,
    "open_time_ns" LONG,
    "close_time" TIMESTAMP_NS,
    "close_time_ns" LONG,
    "of_source" SYMBOL,
    "of_ordinal" LONG,
    "action" LONG,
    "flags" LONG,
    "provider" SYMBOL,
    "provider_id" DECIMAL(20,0),
    "provider_time" TIMESTAMP_NS,
    "time_resolution" LONG,
    "receive_time" TIMESTAMP_NS,
    "receive_time_ns" LONG,
    "source" SYMBOL,
    "partition" LONG,
    "epoch" LONG,
    "ordinal" LONG,
    "taken_at" TIMESTAMP_NS
) TIMESTAMP("ts") PARTITION BY MONTH WAL
DEDUP UPSERT KEYS("ts", "source", "partition", "ordinal");

CREATE TABLE IF NOT EXISTS "trade_changes" (
    "ts" TIMESTAMP_NS,
    "event_time_ns" LONG,
    "symbol" SYMBOL,
    "of_source" SYMBOL,
    "of_ordinal" LONG,
    "change" SYMBOL,
    "price" DECIMAL(38,9),
    "size" DECIMAL(38,8),
    "requester" VARCHAR,
    "note" VARCHAR,
    "flags" LONG,
    "provider" SYMBOL,
    "provider_id" DECIMAL(20,0),
    "provider_time" TIMESTAMP_NS,
    "time_resolution" LONG,
    "receive_time" TIMESTAMP_NS,
    "receive_time_ns" LONG,
    "source" SYMBOL,
    "partition" LONG,
    "epoch" LONG,
    "ordinal" LONG,
    "taken_at" TIMESTAMP_NS
) TIMESTAMP("ts") PARTITION BY MONTH WAL
DEDUP UPSERT KEYS("ts", "source", "partition", "ordinal");

CREATE TABLE IF NOT EXISTS "ordinal_gaps" (
    "input" SYMBOL,
    "partition" LONG,
    "source" SYMBOL,
    "first_ordinal" LONG,
    "last_ordinal" LONG,
    "reason" SYMBOL,
    "epoch" LONG,
    "stream_created" TIMESTAMP_NS,
    "sequence" LONG
) TIMESTAMP("stream_created") PARTITION BY YEAR WAL
DEDUP UPSERT KEYS("stream_created", "input", "source", "partition", "first_ordinal", "last_ordinal", "reason", "epoch");

CREATE TABLE IF NOT EXISTS "fills" (
    "input" SYMBOL,
    "partition" LONG,
    "source" SYMBOL,
    "first_ordinal" LONG,
    "last_ordinal" LONG,
    "rows" LONG,
    "from_store" SYMBOL,
    "stream_created" TIMESTAMP_NS
) TIMESTAMP("stream_created") PARTITION BY YEAR WAL
DEDUP UPSERT KEYS("stream_created", "input", "source", "partition", "first_ordinal", "last_ordinal");

CREATE TABLE IF NOT EXISTS store_identity AS (SELECT rnd_uuid4() AS identity FROM long_sequence(1));
