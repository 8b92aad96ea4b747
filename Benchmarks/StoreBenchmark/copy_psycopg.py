#!/usr/bin/env python3
"""Measures how fast psycopg copies rows into a table, in binary and in transactions of the same size.

    copy_psycopg.py TABLE_AND_COLUMNS ROWS_PER_TRANSACTION

TABLE_AND_COLUMNS: as in COPY: 'trades (symbol, ts, price)'. The table holds the rows already: they are
read into tuples, the table is emptied, and what is timed is their way back. The server is named by the
variables of libpq. Prints rows per second.
"""
import sys
import time

import psycopg


def main(target, per_transaction):
    table, columns = target.split(" (", 1)
    columns = columns.rstrip(") ")
    with psycopg.connect(options="-c search_path=md") as session:
        cursor = session.cursor(binary=True)
        cursor.execute(f"SELECT {columns} FROM {table}")
        types = [column.type_code for column in cursor.description]
        rows = cursor.fetchall()
        cursor.execute(f"TRUNCATE {table}")
        session.commit()
        start = time.monotonic()
        for place in range(0, len(rows), per_transaction):
            with cursor.copy(f"COPY {target} FROM STDIN (FORMAT binary)") as copy:
                copy.set_types(types)
                for row in rows[place : place + per_transaction]:
                    copy.write_row(row)
            session.commit()
        taken = time.monotonic() - start
    print(len(rows) / taken)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], int(sys.argv[2]))
