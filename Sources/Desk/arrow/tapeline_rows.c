// The rows of a COPY as columns, as tapeline_rows.h describes them.

#include "tapeline_rows.h"

#include <endian.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER == __LITTLE_ENDIAN, "a value's low bytes have to come first");

// Microseconds from 1970 to 2000, from which PostgreSQL counts.
static const int64_t epoch_microseconds = 946684800000000;
static const uint32_t powers[] = {1, 10, 100, 1000, 10000};
// Up to here there is room for as many further digits in 127 bits.
#define ROOM(power) (((unsigned __int128)1 << 127) / (power) - 1)
static const unsigned __int128 rooms[] = {ROOM(1), ROOM(10), ROOM(100), ROOM(1000), ROOM(10000)};

typedef struct dictionary {
    uint8_t *bytes;
    size_t byte_count, byte_room;
    // Where each text ends.
    uint32_t *ends;
    size_t count, room;
    // Numbers of texts plus 1, by hash; 0: free. A power of two.
    uint32_t *slots;
    size_t slot_count;
    // That of the last row, which is often that of the next one.
    size_t last;
} dictionary;

typedef struct column {
    tapeline_rows_kind is;
    // Bytes of a value; 0: it is a bit.
    size_t width;
    uint8_t *data, *validity;
    size_t missing;
    dictionary texts;
} column;

struct tapeline_rows {
    size_t capacity, count, column_count;
    int16_t field_count;
    bool has_header, is_over;
    column columns[];
};

// Bytes that are not read yet.
typedef struct input {
    const uint8_t *at, *end;
} input;

// A field of a row; without an address it is NULL.
typedef struct field {
    const uint8_t *at;
    size_t count;
} field;

typedef struct cell {
    __int128 value;
    bool is_missing;
} cell;

// ---- bytes ---------------------------------------------------------------------------------------

static uint16_t read16(const uint8_t *at) {
    uint16_t value;
    memcpy(&value, at, sizeof value);
    return be16toh(value);
}

static uint32_t read32(const uint8_t *at) {
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return be32toh(value);
}

static uint64_t read64(const uint8_t *at) {
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return be64toh(value);
}

// Takes so many bytes. NULL: there are fewer.
static const uint8_t *take(input *in, size_t count) {
    if ((size_t)(in->end - in->at) < count) return NULL;
    const uint8_t *at = in->at;
    in->at += count;
    return at;
}

static bool take_field(input *in, field *out) {
    const uint8_t *length = take(in, 4);
    if (!length) return false;
    int32_t count = (int32_t)read32(length);
    *out = (field){0};
    if (count == -1) return true;
    if (count < 0 || !(out->at = take(in, (size_t)count))) return false;
    out->count = (size_t)count;
    return true;
}

static bool take_header(input *in) {
    static const char signature[] = "PGCOPY\n\377\r\n";
    // The signature ends with a zero, as the array does. Then come flags, and the length of what
    // later versions add.
    const uint8_t *at = take(in, sizeof signature + 8);
    if (!at || memcmp(at, signature, sizeof signature)) return false;
    at += sizeof signature;
    return read32(at) >> 16 == 0 && take(in, read32(at + 4));
}

// ---- values --------------------------------------------------------------------------------------

static bool integer(field from, int64_t *out) {
    switch (from.count) {
    case 2: *out = (int16_t)read16(from.at); return true;
    case 4: *out = (int32_t)read32(from.at); return true;
    case 8: *out = (int64_t)read64(from.at); return true;
    default: return false;
    }
}

// Reads a time as nanoseconds since 1970. Infinite ones are out of range, too.
static int32_t nanoseconds(field from, int64_t rest, int64_t *out) {
    if (from.count != 8) return TAPELINE_ROWS_DAMAGED;
    bool is_out = __builtin_add_overflow((int64_t)read64(from.at), epoch_microseconds, out);
    is_out |= __builtin_mul_overflow(*out, (int64_t)1000, out);
    is_out |= __builtin_add_overflow(*out, rest, out);
    return is_out ? TAPELINE_ROWS_RANGE : 0;
}

// Reads a numeric times 10^scale, rounded as PostgreSQL rounds: half away from zero. It has groups of
// four decimal digits; the first one counts 10000^weight.
static int32_t number(field from, int32_t scale, __int128 *out) {
    if (from.count < 8) return TAPELINE_ROWS_DAMAGED;
    size_t groups = read16(from.at);
    int32_t weight = (int16_t)read16(from.at + 2);
    uint16_t sign = read16(from.at + 4);
    // Not a number, and the infinite ones.
    if (sign >= 0xC000) return TAPELINE_ROWS_RANGE;
    if ((sign & ~0x4000) || from.count != 8 + 2 * groups) return TAPELINE_ROWS_DAMAGED;
    // How many digits are wanted, from the first group on.
    int32_t digits = 4 * (weight + 1) + scale;
    unsigned __int128 whole = 0;
    uint32_t rest = 0, unit = 1;
    size_t group = 0;
    for (; digits > 0 && (whole || group < groups); group++, digits -= 4) {
        uint32_t part = group < groups ? read16(from.at + 8 + 2 * group) : 0;
        if (part > 9999) return TAPELINE_ROWS_DAMAGED;
        int32_t taken = digits < 4 ? digits : 4;
        if (whole > rooms[taken]) return TAPELINE_ROWS_RANGE;
        unit = powers[4 - taken];
        whole = whole * powers[taken] + part / unit;
        rest = part % unit;
    }
    if (digits == 0 && group < groups) {
        rest = read16(from.at + 8 + 2 * group);
        unit = 10000;
    }
    if (2 * rest >= unit) whole++;
    if (whole >> 127) return TAPELINE_ROWS_RANGE;
    *out = sign ? -(__int128)whole : (__int128)whole;
    return 0;
}

// ---- texts ---------------------------------------------------------------------------------------

static size_t start_of(const dictionary *texts, size_t place) {
    return place ? texts->ends[place - 1] : 0;
}

static bool is_text(const dictionary *texts, size_t place, field text) {
    size_t start = start_of(texts, place);
    return texts->ends[place] - start == text.count &&
        !memcmp(texts->bytes + start, text.at, text.count);
}

static size_t slot_of(const dictionary *texts, field text) {
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < text.count; i++) hash = (hash ^ text.at[i]) * 1099511628211u;
    size_t mask = texts->slot_count - 1, slot = (hash ^ hash >> 32) & mask;
    while (texts->slots[slot] && !is_text(texts, texts->slots[slot] - 1, text))
        slot = (slot + 1) & mask;
    return slot;
}

// Doubles the room for numbers, and keeps half of the slots free.
static bool add_slots(dictionary *texts) {
    size_t room = texts->room ? 2 * texts->room : 64;
    uint32_t *ends = realloc(texts->ends, room * sizeof *ends);
    if (!ends) return false;
    texts->ends = ends;
    uint32_t *slots = calloc(2 * room, sizeof *slots);
    if (!slots) return false;
    free(texts->slots);
    texts->slots = slots;
    texts->slot_count = 2 * room;
    texts->room = room;
    for (size_t i = 0; i < texts->count; i++) {
        size_t start = start_of(texts, i);
        field known = {texts->bytes + start, texts->ends[i] - start};
        slots[slot_of(texts, known)] = (uint32_t)i + 1;
    }
    return true;
}

static int32_t add_text(dictionary *texts, field text) {
    size_t bytes = texts->byte_count + text.count;
    if (texts->count == TAPELINE_ROWS_TEXTS_MAX || bytes > INT32_MAX) return TAPELINE_ROWS_TEXTS;
    if (bytes >= texts->byte_room) {
        uint8_t *grown = realloc(texts->bytes, 2 * bytes + 256);
        if (!grown) return TAPELINE_ROWS_MEMORY;
        texts->bytes = grown;
        texts->byte_room = 2 * bytes + 256;
    }
    if (texts->count == texts->room && !add_slots(texts)) return TAPELINE_ROWS_MEMORY;
    texts->slots[slot_of(texts, text)] = (uint32_t)texts->count + 1;
    memcpy(texts->bytes + texts->byte_count, text.at, text.count);
    texts->byte_count = bytes;
    texts->ends[texts->count++] = (uint32_t)bytes;
    return 0;
}

// Finds the number of a text, or gives it the next one.
static int32_t number_text(dictionary *texts, field text, __int128 *out) {
    if (texts->last >= texts->count || !is_text(texts, texts->last, text)) {
        uint32_t known = texts->count ? texts->slots[slot_of(texts, text)] : 0;
        texts->last = known ? known - 1 : texts->count;
        int32_t code = known ? 0 : add_text(texts, text);
        if (code) return code;
    }
    *out = (__int128)texts->last;
    return 0;
}

// ---- rows ----------------------------------------------------------------------------------------

static int32_t read_integer(int32_t kind, field from, cell *out) {
    int64_t value;
    if (!integer(from, &value)) return TAPELINE_ROWS_DAMAGED;
    out->is_missing = kind == TAPELINE_ROWS_NANOSECONDS && value == INT64_MAX;
    if (kind == TAPELINE_ROWS_BYTE && value < 0) value = -1 - value;
    out->value = value;
    if (kind == TAPELINE_ROWS_BYTE && value > UINT8_MAX) return TAPELINE_ROWS_RANGE;
    bool is_short = value >= INT16_MIN && value <= UINT16_MAX;
    return kind == TAPELINE_ROWS_SHORT && !is_short ? TAPELINE_ROWS_RANGE : 0;
}

static int32_t read_numeric(tapeline_rows_kind is, field from, cell *out) {
    int32_t code = number(from, is.scale, &out->value);
    if (code || is.kind == TAPELINE_ROWS_WIDE) return code;
    bool is_id = is.kind == TAPELINE_ROWS_ID;
    out->is_missing = is_id && !out->value;
    __int128 least = is_id ? 0 : INT64_MIN, most = is_id ? (__int128)UINT64_MAX : INT64_MAX;
    return out->value < least || out->value > most ? TAPELINE_ROWS_RANGE : 0;
}

static int32_t read_cell(column *own, input *in, cell *out) {
    field from, after;
    int64_t rest = 0, time = 0;
    *out = (cell){0};
    if (!take_field(in, &from)) return TAPELINE_ROWS_DAMAGED;
    if (own->is.kind == TAPELINE_ROWS_TIME_REST &&
        (!take_field(in, &after) || !after.at || !integer(after, &rest)))
        return TAPELINE_ROWS_DAMAGED;
    if (!from.at || rest < 0) {
        out->is_missing = true;
        return 0;
    }
    switch (own->is.kind) {
    case TAPELINE_ROWS_TIME:
    case TAPELINE_ROWS_TIME_REST: {
        int32_t code = nanoseconds(from, rest, &time);
        out->value = time;
        return code;
    }
    case TAPELINE_ROWS_ID:
    case TAPELINE_ROWS_FIXED:
    case TAPELINE_ROWS_WIDE: return read_numeric(own->is, from, out);
    case TAPELINE_ROWS_TEXT: return number_text(&own->texts, from, &out->value);
    case TAPELINE_ROWS_FLAG:
        if (from.count != 1) return TAPELINE_ROWS_DAMAGED;
        out->value = *from.at != 0;
        return 0;
    default: return read_integer(own->is.kind, from, out);
    }
}

static void store(column *own, size_t row, cell found) {
    if (found.is_missing) {
        found.value = 0;
        own->validity[row / 8] &= (uint8_t)~(1 << row % 8);
        own->missing++;
    }
    uint8_t *at = own->data + row * own->width;
    switch (own->width) {
    case 0: own->data[row / 8] |= (uint8_t)((found.value != 0) << row % 8); break;
    case 1: memcpy(at, &found.value, 1); break;
    case 2: memcpy(at, &found.value, 2); break;
    case 4: memcpy(at, &found.value, 4); break;
    case 8: memcpy(at, &found.value, 8); break;
    default: memcpy(at, &found.value, 16);
    }
}

int32_t tapeline_rows_read(
    tapeline_rows *rows, const uint8_t *bytes, size_t count, int32_t *column) {
    input in = {bytes, bytes + count};
    *column = -1;
    if (!rows->has_header && !take_header(&in)) return TAPELINE_ROWS_DAMAGED;
    rows->has_header = true;
    while (in.at < in.end) {
        const uint8_t *at = take(&in, 2);
        if (rows->is_over || !at) return TAPELINE_ROWS_DAMAGED;
        int16_t fields = (int16_t)read16(at);
        if (fields == -1) {
            rows->is_over = true;
            continue;
        }
        if (fields != rows->field_count || rows->count == rows->capacity)
            return TAPELINE_ROWS_DAMAGED;
        for (size_t i = 0; i < rows->column_count; i++) {
            cell found;
            int32_t code = read_cell(&rows->columns[i], &in, &found);
            if (code) {
                *column = (int32_t)i;
                return code;
            }
            store(&rows->columns[i], rows->count, found);
        }
        rows->count++;
    }
    return (int32_t)rows->count;
}

int32_t tapeline_rows_is_over(const tapeline_rows *rows) { return rows->is_over; }

// ---- batches -------------------------------------------------------------------------------------

static size_t width_of(int32_t kind) {
    switch (kind) {
    case TAPELINE_ROWS_FLAG: return 0;
    case TAPELINE_ROWS_BYTE: return 1;
    case TAPELINE_ROWS_SHORT: return 2;
    case TAPELINE_ROWS_TEXT: return 4;
    case TAPELINE_ROWS_WIDE: return 16;
    default: return 8;
    }
}

static size_t bytes_of(const column *own, size_t rows) {
    return own->width ? rows * own->width : (rows + 7) / 8;
}

static bool are_columns(const tapeline_rows_kind *columns, size_t count, size_t capacity) {
    if (!count || count > TAPELINE_ROWS_COLUMNS_MAX) return false;
    for (size_t i = 0; i < count; i++)
        if (columns[i].kind < TAPELINE_ROWS_NANOSECONDS || columns[i].kind > TAPELINE_ROWS_FLAG ||
            columns[i].scale < 0 || columns[i].scale > 18)
            return false;
    return capacity && capacity <= TAPELINE_ROWS_CAPACITY_MAX;
}

tapeline_rows *tapeline_rows_open(
    const tapeline_rows_kind *columns, size_t count, size_t capacity) {
    if (!are_columns(columns, count, capacity)) return NULL;
    tapeline_rows *rows = calloc(1, sizeof *rows + count * sizeof *rows->columns);
    if (!rows) return NULL;
    rows->capacity = capacity;
    rows->column_count = count;
    bool has_memory = true;
    for (size_t i = 0; i < count; i++) {
        column *own = &rows->columns[i];
        own->is = columns[i];
        own->width = width_of(columns[i].kind);
        own->data = calloc(1, bytes_of(own, capacity));
        own->validity = malloc((capacity + 7) / 8);
        has_memory = has_memory && own->data && own->validity;
        rows->field_count += columns[i].kind == TAPELINE_ROWS_TIME_REST ? 2 : 1;
    }
    rows->count = has_memory ? capacity : 0;
    if (has_memory) {
        tapeline_rows_clear(rows);
        return rows;
    }
    tapeline_rows_close(rows);
    return NULL;
}

void tapeline_rows_close(tapeline_rows *rows) {
    for (size_t i = 0; rows && i < rows->column_count; i++) {
        free(rows->columns[i].data);
        free(rows->columns[i].validity);
        free(rows->columns[i].texts.bytes);
        free(rows->columns[i].texts.ends);
        free(rows->columns[i].texts.slots);
    }
    free(rows);
}

void tapeline_rows_column(const tapeline_rows *rows, size_t column, tapeline_rows_view *out) {
    *out = (tapeline_rows_view){0};
    if (column >= rows->column_count) return;
    const struct column *own = &rows->columns[column];
    out->data = own->data;
    out->data_bytes = bytes_of(own, rows->count);
    if (own->missing) {
        out->validity = own->validity;
        out->validity_bytes = (rows->count + 7) / 8;
    }
    out->texts = own->texts.bytes;
    out->ends = own->texts.ends;
    out->text_count = own->texts.count;
}

void tapeline_rows_clear(tapeline_rows *rows) {
    for (size_t i = 0; i < rows->column_count; i++) {
        column *own = &rows->columns[i];
        memset(own->validity, 0xFF, (rows->count + 7) / 8);
        if (!own->width) memset(own->data, 0, bytes_of(own, rows->count));
        own->missing = 0;
    }
    rows->count = 0;
}
