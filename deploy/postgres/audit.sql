-- check: ordinals: every ordinal of every source and partition is one row
SELECT sum(last_ordinal - first_ordinal + 1) AS expected, sum(rows) AS found,
    coalesce(bool_and(rows = ordinals AND rows = last_ordinal - first_ordinal + 1), true) AS ok,
    '' AS detail
FROM stored_ticks;
