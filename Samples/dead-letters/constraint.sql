-- A rule that does not fit the data: a person meant well. NOT VALID leaves the rows of before alone.
ALTER TABLE md.trade_rows ADD CONSTRAINT no_tesla CHECK (symbol <> 'TSLA') NOT VALID;
