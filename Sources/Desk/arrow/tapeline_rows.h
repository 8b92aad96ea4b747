/*
 * tapeline_rows.h: rows of PostgreSQL as columns of Apache Arrow, for the Python package.
 *
 * A reading takes what COPY ... TO STDOUT (FORMAT binary) sends, in pieces that end with a row, and
 * fills a batch of columns. The caller copies them and begins the next batch.
 *
 * INPUT     No bytes can make it read or write elsewhere. What is no row of these columns, or does
 *           not fit, is an error, after which the reading can only be closed.
 * MEMORY    A batch has room for `capacity` rows. What grows is the list of texts of each column, up
 *           to TAPELINE_ROWS_TEXTS_MAX.
 * THREADS   Any thread may call, one at a time.
 */
#ifndef TAPELINE_ROWS_H
#define TAPELINE_ROWS_H

#include <stddef.h>
#include <stdint.h>

#define TAPELINE_ROWS_COLUMNS_MAX 64
#define TAPELINE_ROWS_CAPACITY_MAX (1 << 20)
/* The most different texts of one column. All of them together stay below 2 GiB. */
#define TAPELINE_ROWS_TEXTS_MAX (1 << 24)

/* What a row has, and what becomes of it. An integer has 2, 4 or 8 bytes in the row. */
enum {
    /* An integer, nanoseconds since 1970; the highest one: no time. It becomes 64 bits. */
    TAPELINE_ROWS_NANOSECONDS = 1,
    /* timestamptz. It becomes nanoseconds since 1970. */
    TAPELINE_ROWS_TIME,
    /* The same, and a field after it with the nanoseconds after the microsecond; below 0: no time. */
    TAPELINE_ROWS_TIME_REST,
    /* Integers: 64 bits; 16 bits without a sign; 8 bits, of which one below 0 is -1 minus it. */
    TAPELINE_ROWS_INTEGER,
    TAPELINE_ROWS_SHORT,
    TAPELINE_ROWS_BYTE,
    /* numeric. It becomes 64 bits without a sign; 0: none. */
    TAPELINE_ROWS_ID,
    /* numeric, times 10^scale, rounded half away from zero: 64 bits, or 128 bits. */
    TAPELINE_ROWS_FIXED,
    TAPELINE_ROWS_WIDE,
    /* text. It becomes 32 bits, the number of the text in the order of their first rows. */
    TAPELINE_ROWS_TEXT,
    /* boolean. It becomes a bit. */
    TAPELINE_ROWS_FLAG
};

/* Why a piece is refused. */
enum {
    /* It is no piece of a COPY of these columns. */
    TAPELINE_ROWS_DAMAGED = -1,
    /* A value does not fit into its column. */
    TAPELINE_ROWS_RANGE = -2,
    /* A column has too many texts. */
    TAPELINE_ROWS_TEXTS = -3,
    TAPELINE_ROWS_MEMORY = -4
};

typedef struct tapeline_rows_kind {
    int32_t kind;
    /* Up to 18. */
    int32_t scale;
} tapeline_rows_kind;

/* A column of the batch. */
typedef struct tapeline_rows_view {
    const void *data;
    size_t data_bytes;
    /* A bit for each row; NULL: no value is missing. */
    const void *validity;
    size_t validity_bytes;
    /* Of TAPELINE_ROWS_TEXT: all texts of this reading, one after the other, and where each ends. */
    const void *texts;
    const uint32_t *ends;
    size_t text_count;
} tapeline_rows_view;

typedef struct tapeline_rows tapeline_rows;

/* Begins a reading. NULL: there is no memory, or these are no columns. */
tapeline_rows *tapeline_rows_open(
    const tapeline_rows_kind *columns, size_t count, size_t capacity);

/* Does nothing with NULL. */
void tapeline_rows_close(tapeline_rows *rows);

/* Takes a piece. Returns how many rows the batch has; below 0 it is refused: then `column` has the
   index of the column, or -1. */
int32_t tapeline_rows_read(
    tapeline_rows *rows, const uint8_t *bytes, size_t count, int32_t *column);

/* Whether the end of the COPY came. */
int32_t tapeline_rows_is_over(const tapeline_rows *rows);

/* What it points to lives until the next call with this reading. */
void tapeline_rows_column(const tapeline_rows *rows, size_t column, tapeline_rows_view *out);

/* Begins the next batch. Texts keep their numbers. */
void tapeline_rows_clear(tapeline_rows *rows);

#endif
