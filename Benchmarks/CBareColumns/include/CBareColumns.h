#pragma once
#include <stddef.h>
#include <stdint.h>

/// The least that makes the library's columns of trades out of the bytes of a recording, in plain C:
/// what the library is measured beside. Chain and checksum of every packet are proven, lengths are
/// checked, names and short texts become indexes of dictionaries, missing values become bits. It
/// follows no ordinals, selects nothing, names no place of an error, and fills the same memory again
/// with each batch.
typedef struct BareColumns BareColumns;

/// NULL: the file cannot be read, is no recording, or there is no memory.
BareColumns *bare_columns_open(const char *path);
/// Fills the next batch. Returns its rows; 0 at the end, -1: the bytes are wrong.
int64_t bare_columns_next(BareColumns *columns);
/// The values of a column of the present batch, in the order of the library's schema.
const void *bare_columns_values(const BareColumns *columns, int column);
/// How many rows of it have no value.
int64_t bare_columns_nulls(const BareColumns *columns, int column);
void bare_columns_close(BareColumns *columns);
