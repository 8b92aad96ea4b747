-- What the broker says of a trade is on the tape, and so in these columns.
COMMENT ON COLUMN trades.flags IS
    'bits: 1 snapshot, 2 conflated, 4 backfilled, 8 delayed, 16 out of session, 64 not reported to the '
    'consolidated tape as one that makes the last price, 128 beyond the limits of the day';
