-- Of a made-up second release: indexes while the tables are written. What a run that was cut has left is
-- of no use, so each begins with its end.
DROP INDEX CONCURRENTLY IF EXISTS gaps_reason;
CREATE INDEX CONCURRENTLY gaps_reason ON gaps (reason, noted_at);

-- A partitioned table has no concurrent index, but its partitions do.
SELECT format('DROP INDEX CONCURRENTLY IF EXISTS %I', part.relname || '_ordinal')
FROM pg_inherits
JOIN pg_partitioned_table ON partrelid = inhparent
JOIN pg_class AS part ON part.oid = inhrelid
WHERE inhparent = 'trade_rows'::regclass;
SELECT format('CREATE INDEX CONCURRENTLY %I ON %I (source, partition, ordinal)', part.relname || '_ordinal', part.relname)
FROM pg_inherits
JOIN pg_partitioned_table ON partrelid = inhparent
JOIN pg_class AS part ON part.oid = inhrelid
WHERE inhparent = 'trade_rows'::regclass;
