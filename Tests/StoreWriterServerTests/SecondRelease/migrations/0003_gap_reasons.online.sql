-- Of a made-up second release: indexes while the tables are written. What a run that was cut has left is
-- of no use, so each begins with its end.
DROP INDEX CONCURRENTLY IF EXISTS gaps_reason;
CREATE INDEX CONCURRENTLY gaps_reason ON gaps (reason, noted_at);

-- A partitioned table has no concurrent index, but its partitions do.
SELECT format('DROP INDEX CONCURRENTLY IF EXISTS %I', p.name || '_ordinal')
FROM time_tables() t, time_partitions(t.table_name) p
WHERE t.table_name = 'trade_rows' AND t.shape = 'native';
SELECT format('CREATE INDEX CONCURRENTLY %I ON %I (source, partition, ordinal)', p.name || '_ordinal', p.name)
FROM time_tables() t, time_partitions(t.table_name) p
WHERE t.table_name = 'trade_rows' AND t.shape = 'native';
