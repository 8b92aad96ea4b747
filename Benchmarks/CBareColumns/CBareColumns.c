#include "CBareColumns.h"

#include <CXXHash.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    ROWS_MAX = 65536,
    READ_BYTES = 256 * 1024,
    PACKET_BYTES_MAX = 1000000,
    FRAME_HEAD_BYTES = 12, // length of the packet, chain
    TIME_BYTES = 8,        // when the tape took it, from version 2 on
    END_BYTES = 28,
    HEADER_BYTES = 88, // of a packet, its own message header included
    CHECKED_FROM = 16,
    DEFINITIONS_MAX = 1024,
    SOURCES_MAX = 16,
    NAMES_MAX = 65536,
    NAME_PLACES = 2 * NAMES_MAX,
    WORDS_MAX = 4096,
    WORD_PLACES = 2 * WORDS_MAX,
    TRADE = 0x8010,
    TRADE_BYTES = 64,
    SYMBOL_DEFINITION = 0x0305,
};

// The columns, in the order of the library's schema.
enum {
    EVENT_TIME, RECEIVE_TIME, SYMBOL, SOURCE, PROVIDER, PRICE, SIZE, EXCHANGE, CONDITIONS, ACTION,
    FLAGS, RESOLUTION, PROVIDER_ID, SENT_AT, KNOWN_AT, PARTITION, EPOCH, ORDINAL, COLUMNS
};
static const uint8_t widths[COLUMNS] = {8, 8, 4, 4, 4, 8, 8, 4, 4, 4, 2, 1, 8, 8, 8, 2, 8, 8};

typedef struct {
    uint64_t hash;
    uint32_t at, length; // in the bytes of the names; length 0: free
    int32_t symbol, provider;
} Name;

typedef struct {
    uint64_t words[WORD_PLACES];
    int32_t indexes[WORD_PLACES]; // 0: free; otherwise one more than the index
    int32_t count;
} Words;

// The texts of a dictionary, one after the other.
typedef struct {
    uint8_t *bytes;
    size_t count, room;
} Texts;

struct BareColumns {
    int file;
    uint8_t *buffer;
    size_t begin, end, time_bytes;
    uint64_t chain;
    uint64_t packets, ticks;
    bool is_over;
    uint8_t *block;
    uint8_t *values[COLUMNS];
    uint8_t *bits[COLUMNS];
    int64_t nulls[COLUMNS];
    Name names[NAME_PLACES];
    Texts keys;
    int32_t symbols;
    uint8_t providers[SOURCES_MAX][64];
    uint32_t provider_lengths[SOURCES_MAX];
    int32_t provider_count;
    uint8_t sources[SOURCES_MAX][24];
    int32_t source_count;
    Words exchanges, conditions;
};

static uint16_t u16(const uint8_t *at) { uint16_t v; memcpy(&v, at, 2); return v; }
static uint32_t u32(const uint8_t *at) { uint32_t v; memcpy(&v, at, 4); return v; }
static uint64_t u64(const uint8_t *at) { uint64_t v; memcpy(&v, at, 8); return v; }
static int64_t i64(const uint8_t *at) { int64_t v; memcpy(&v, at, 8); return v; }

// MARK: the file

// Makes so many bytes available; returns where they begin, or NULL.
static const uint8_t *peek(BareColumns *self, size_t count) {
    if (self->end - self->begin < count) {
        memmove(self->buffer, self->buffer + self->begin, self->end - self->begin);
        self->end -= self->begin;
        self->begin = 0;
        while (self->end < count) {
            ssize_t found = read(self->file, self->buffer + self->end, READ_BYTES);
            if (found <= 0) return NULL;
            self->end += (size_t)found;
        }
    }
    return self->buffer + self->begin;
}

BareColumns *bare_columns_open(const char *path) {
    BareColumns *self = calloc(1, sizeof *self);
    if (self == NULL) return NULL;
    self->file = open(path, O_RDONLY | O_CLOEXEC);
    self->buffer = malloc(PACKET_BYTES_MAX + FRAME_HEAD_BYTES + TIME_BYTES + 2 * READ_BYTES);
    size_t offsets[COLUMNS], bytes = 0;
    for (int column = 0; column < COLUMNS; column++) {
        offsets[column] = bytes;
        bytes += (size_t)ROWS_MAX * widths[column] + ROWS_MAX / 8;
    }
    self->block = aligned_alloc(64, bytes);
    if (self->file < 0 || self->buffer == NULL || self->block == NULL) goto wrong;
    for (int column = 0; column < COLUMNS; column++) {
        self->values[column] = self->block + offsets[column];
        self->bits[column] = self->values[column] + (size_t)ROWS_MAX * widths[column];
    }
    const uint8_t *head = peek(self, 16);
    if (head == NULL || memcmp(head, "TAPEREC1", 8) != 0 || u16(head + 10) != 0) goto wrong;
    const uint16_t version = u16(head + 8);
    if (version < 1 || version > 2) goto wrong;
    self->time_bytes = version == 1 ? 0 : TIME_BYTES;
    size_t length = u32(head + 12);
    if (length < 96 || length > PACKET_BYTES_MAX || (head = peek(self, length)) == NULL) goto wrong;
    self->chain = u64(head + length - 8);
    if (xxh3_64(head, length - 8) != self->chain) goto wrong;
    self->begin += length;
    return self;
wrong:
    bare_columns_close(self);
    return NULL;
}

void bare_columns_close(BareColumns *self) {
    if (self->file >= 0) close(self->file);
    free(self->buffer);
    free(self->block);
    free(self->keys.bytes);
    free(self);
}

// MARK: dictionaries

static int32_t provider_of(BareColumns *self, const uint8_t *text, uint32_t length) {
    if (length == 0) return -1;
    for (int32_t i = 0; i < self->provider_count; i++)
        if (self->provider_lengths[i] == length && memcmp(self->providers[i], text, length) == 0)
            return i;
    if (self->provider_count == SOURCES_MAX || length > sizeof self->providers[0]) return -1;
    memcpy(self->providers[self->provider_count], text, length);
    self->provider_lengths[self->provider_count] = length;
    return self->provider_count++;
}

static int32_t source_of(BareColumns *self, const uint8_t *name) {
    for (int32_t i = 0; i < self->source_count; i++)
        if (memcmp(self->sources[i], name, 24) == 0) return i;
    if (self->source_count == SOURCES_MAX) return -1;
    memcpy(self->sources[self->source_count], name, 24);
    return self->source_count++;
}

// What a definition means: `key` is the symbol and the provider, each after its length.
static const Name *name_of(BareColumns *self, const uint8_t *key, uint32_t length) {
    uint64_t hash = xxh3_64(key, length);
    for (uint64_t place = hash;; place++) {
        Name *name = &self->names[place % NAME_PLACES];
        if (name->length == length && name->hash == hash
            && memcmp(self->keys.bytes + name->at, key, length) == 0)
            return name;
        if (name->length != 0) continue;
        if (self->symbols == NAMES_MAX) return NULL;
        if (self->keys.count + length > self->keys.room) {
            size_t room = 2 * (self->keys.count + length);
            uint8_t *bytes = realloc(self->keys.bytes, room);
            if (bytes == NULL) return NULL;
            self->keys.bytes = bytes;
            self->keys.room = room;
        }
        memcpy(self->keys.bytes + self->keys.count, key, length);
        uint32_t symbol_bytes = u32(key);
        *name = (Name){.hash = hash, .at = (uint32_t)self->keys.count, .length = length,
            .symbol = self->symbols++,
            .provider = provider_of(self, key + 8 + symbol_bytes, u32(key + 4 + symbol_bytes))};
        self->keys.count += length;
        return name;
    }
}

static inline int32_t index_of(Words *words, uint64_t word) {
    for (uint64_t place = (word * 0x9e3779b97f4a7c15) >> 32;; place++) {
        uint64_t at = place % WORD_PLACES;
        if (words->words[at] == word && words->indexes[at] != 0) return words->indexes[at] - 1;
        if (words->indexes[at] != 0) continue;
        if (words->count == WORDS_MAX) return -1;
        words->words[at] = word;
        words->indexes[at] = ++words->count;
        return words->count - 1;
    }
}

// MARK: packets

#define VALUES(type, column) type *restrict column##_values = (type *)self->values[column]
#define FILL(type, column, expression) do { \
        type *restrict values = (type *)self->values[column]; \
        const type value = (expression); \
        for (int64_t at_row = first; at_row < row; at_row++) values[at_row] = value; \
    } while (0)

// Writes the rows of a packet after `first`. Returns where they end; -1: the bytes are wrong.
static int64_t take(
    BareColumns *self, const uint8_t *packet, size_t bytes, int64_t known_at, int64_t first) {
    if (bytes < HEADER_BYTES || u16(packet + 2) != 1 || u32(packet + 16) != bytes) return -1;
    if (xxh3_64(packet + CHECKED_FROM, bytes - CHECKED_FROM) != u64(packet + 8)) return -1;
    const int64_t ticks = u32(packet + 20);
    if (first + ticks > ROWS_MAX) return -1;
    VALUES(int64_t, EVENT_TIME); VALUES(int64_t, RECEIVE_TIME); VALUES(int32_t, SYMBOL);
    VALUES(int32_t, PROVIDER); VALUES(int64_t, PRICE); VALUES(int64_t, SIZE);
    VALUES(int32_t, EXCHANGE); VALUES(int32_t, CONDITIONS); VALUES(int32_t, ACTION);
    VALUES(uint16_t, FLAGS); VALUES(uint8_t, RESOLUTION); VALUES(uint64_t, PROVIDER_ID);
    VALUES(int64_t, ORDINAL);
    struct { int32_t symbol, provider; } names[DEFINITIONS_MAX];
    uint32_t defined = 0;
    int64_t row = first, ordinal = i64(packet + 32), found = 0;
    const uint8_t *at = packet + HEADER_BYTES, *end = packet + bytes;
    while (at < end) {
        if (end - at < 8) return -1;
        const uint16_t block = u16(at), template = u16(at + 2);
        const uint8_t *body = at + 8;
        if (end - body < block) return -1;
        if (template == TRADE && block >= TRADE_BYTES) {
            const uint32_t index = u32(body);
            if (index >= defined || found == ticks) return -1;
            const int64_t time = i64(body + 8), received = i64(body + 16);
            EVENT_TIME_values[row] = time == INT64_MAX ? received : time;
            RECEIVE_TIME_values[row] = received;
            SYMBOL_values[row] = names[index].symbol;
            PROVIDER_values[row] = names[index].provider;
            PRICE_values[row] = i64(body + 32);
            SIZE_values[row] = i64(body + 40);
            EXCHANGE_values[row] = index_of(&self->exchanges, u64(body + 48));
            CONDITIONS_values[row] = index_of(&self->conditions, u64(body + 56));
            // The names of the actions are a dictionary, too, with the numbers as indexes.
            ACTION_values[row] = body[6];
            FLAGS_values[row] = u16(body + 4);
            RESOLUTION_values[row] = body[7];
            PROVIDER_ID_values[row] = u64(body + 24);
            ORDINAL_values[row] = ordinal++;
            row++;
            found++;
            at = body + block;
            continue;
        }
        const uint8_t *field = body + block;
        for (int fields = template >> 8 & 0xf; fields > 0; fields--) {
            if (end - field < 4 || end - field - 4 < u32(field)) return -1;
            field += 4 + u32(field);
        }
        if (template == SYMBOL_DEFINITION && block >= 16) {
            const uint8_t *key = body + block;
            const uint32_t length = 8 + u32(key) + u32(key + 4 + u32(key));
            const Name *name = name_of(self, key, length);
            if (name == NULL || u32(body) != defined || defined == DEFINITIONS_MAX) return -1;
            names[defined].symbol = name->symbol;
            names[defined++].provider = name->provider;
        } else if (template & 0x8000) {
            if (found++ == ticks) return -1;
            ordinal++;
        }
        at = field;
    }
    if (found != ticks) return -1;
    const int32_t source = source_of(self, packet + 64);
    FILL(int32_t, SOURCE, source);
    FILL(int64_t, SENT_AT, i64(packet + 48));
    FILL(int64_t, KNOWN_AT, known_at);
    FILL(uint16_t, PARTITION, u16(packet + 56));
    FILL(int64_t, EPOCH, i64(packet + 24));
    self->packets++;
    self->ticks += (uint64_t)ticks;
    return row;
}

#define VALIDITY(type, column, missing) do { \
        const type *values = (const type *)self->values[column]; \
        int64_t nulls = 0; \
        for (int64_t row = 0; row < rows; row++) nulls += values[row] == (missing); \
        self->nulls[column] = nulls; \
        for (int64_t row = 0; nulls > 0 && row < rows; row += 8) { \
            unsigned bits = 0; \
            for (int bit = 0; bit < 8; bit++) \
                bits |= (unsigned)(row + bit < rows && values[row + bit] != (missing)) << bit; \
            self->bits[column][row / 8] = (uint8_t)bits; \
        } \
    } while (0)

static void find_nulls(BareColumns *self, int64_t rows) {
    VALIDITY(int64_t, EVENT_TIME, INT64_MAX);
    VALIDITY(int64_t, RECEIVE_TIME, INT64_MAX);
    VALIDITY(int32_t, SYMBOL, -1);
    VALIDITY(int32_t, PROVIDER, -1);
    VALIDITY(int64_t, PRICE, INT64_MAX);
    VALIDITY(int64_t, SIZE, INT64_MAX);
    VALIDITY(int64_t, PROVIDER_ID, 0);
    VALIDITY(int64_t, SENT_AT, INT64_MAX);
    VALIDITY(int64_t, KNOWN_AT, INT64_MAX);
}

int64_t bare_columns_next(BareColumns *self) {
    int64_t rows = 0;
    while (!self->is_over) {
        const uint8_t *frame = peek(self, FRAME_HEAD_BYTES);
        if (frame == NULL) return -1;
        const size_t length = u32(frame);
        if (length == 0) {
            frame = peek(self, END_BYTES);
            if (frame == NULL || u64(frame + 4) != self->packets || u64(frame + 12) != self->ticks
                || xxh3_64_seeded(frame + 4, 16, self->chain) != u64(frame + 20))
                return -1;
            self->is_over = true;
            break;
        }
        if (length > PACKET_BYTES_MAX) return -1;
        frame = peek(self, FRAME_HEAD_BYTES + self->time_bytes + length);
        if (frame == NULL) return -1;
        const uint8_t *chained = frame + FRAME_HEAD_BYTES, *packet = chained + self->time_bytes;
        // A batch ends before a packet whose rows it cannot hold.
        if (length >= HEADER_BYTES && rows > 0 && rows + u32(packet + 20) > ROWS_MAX) break;
        const uint64_t chain = xxh3_64_seeded(chained, self->time_bytes + length, self->chain);
        if (chain != u64(frame + 4)) return -1;
        self->chain = chain;
        rows = take(self, packet, length, self->time_bytes ? i64(chained) : INT64_MAX, rows);
        if (rows < 0) return -1;
        self->begin += FRAME_HEAD_BYTES + self->time_bytes + length;
    }
    find_nulls(self, rows);
    return rows;
}

const void *bare_columns_values(const BareColumns *self, int column) {
    return column >= 0 && column < COLUMNS ? self->values[column] : NULL;
}

int64_t bare_columns_nulls(const BareColumns *self, int column) {
    return column >= 0 && column < COLUMNS ? self->nulls[column] : 0;
}
