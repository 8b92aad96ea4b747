#include "CBareBars.h"

#include <stdlib.h>
#include <string.h>

enum {
    HEADER_BYTES = 88, // the packet's header, its own message header included
    SERIES_MAX = 3,
    SYMBOLS_MAX = 16384,
    NAMES = 2 * SYMBOLS_MAX, // places of the table of names
    NAME_BYTES = 32,
    INDEXES_MAX = 1024,
    TRADE = 0x8010,
    SYMBOL_DEFINITION = 0x0305,
};

typedef struct {
    int64_t end;
    int64_t open, high, low, close;
    uint64_t trades;
    __int128 volume, notional;
} Window;

typedef struct {
    uint8_t bytes[NAME_BYTES];
    uint32_t length;
    uint32_t symbol;
} Name;

struct BareBars {
    int count;
    int64_t widths[SERIES_MAX];
    uint32_t symbols;
    Window windows[SYMBOLS_MAX * SERIES_MAX];
    Name names[NAMES];
    BareBarsTotal total;
};

static uint16_t u16(const uint8_t *at) { uint16_t v; memcpy(&v, at, 2); return v; }
static uint32_t u32(const uint8_t *at) { uint32_t v; memcpy(&v, at, 4); return v; }
static uint64_t u64(const uint8_t *at) { uint64_t v; memcpy(&v, at, 8); return v; }
static int64_t i64(const uint8_t *at) { int64_t v; memcpy(&v, at, 8); return v; }

BareBars *bare_bars_new(const int64_t *widths, int count) {
    if (count != 1 && count != SERIES_MAX) return NULL;
    BareBars *bars = calloc(1, sizeof *bars);
    if (bars == NULL) return NULL;
    bars->count = count;
    for (int i = 0; i < count; i++) bars->widths[i] = widths[i];
    for (size_t i = 0; i < sizeof bars->windows / sizeof *bars->windows; i++)
        bars->windows[i].end = INT64_MIN;
    return bars;
}

void bare_bars_free(BareBars *bars) { free(bars); }

// notional / volume, rounded half away from zero.
static int64_t vwap(__int128 notional, __int128 volume) {
    if (volume <= 0) return INT64_MAX;
    __int128 quotient = notional / volume, rest = notional % volume;
    if (rest < 0) rest = -rest;
    if (rest >= volume - rest) quotient += notional < 0 ? -1 : 1;
    return (int64_t)quotient;
}

static void close_window(BareBars *bars, const Window *window) {
    BareBarsTotal *total = &bars->total;
    if (window->trades == 0) return;
    total->bars++;
    total->trades += window->trades;
    total->prices += (uint64_t)window->open + (uint64_t)window->high + (uint64_t)window->low
                     + (uint64_t)window->close
                     + (uint64_t)vwap(window->notional, window->volume);
    total->volume += (uint64_t)window->volume;
    total->notional += (uint64_t)window->notional;
}

static __attribute__((noinline)) void next_window(
    BareBars *bars, Window *window, int64_t time, int64_t width, int64_t price) {
    close_window(bars, window);
    *window = (Window){
        .end = time - time % width + width, .open = price, .high = price, .low = price};
}

// The number of a name; -1 when there is no room.
static int64_t symbol_of(BareBars *bars, const uint8_t *name, uint32_t length) {
    uint64_t hash = 0xcbf29ce484222325;
    if (length == 0 || length > NAME_BYTES) return -1;
    for (uint32_t i = 0; i < length; i++) hash = (hash ^ name[i]) * 0x100000001b3;
    for (uint64_t at = hash ^ hash >> 32;; at++) {
        Name *known = &bars->names[at % NAMES];
        if (known->length == length && memcmp(known->bytes, name, length) == 0)
            return known->symbol;
        if (known->length != 0) continue;
        if (bars->symbols == SYMBOLS_MAX) return -1;
        memcpy(known->bytes, name, length);
        known->length = length;
        known->symbol = bars->symbols++;
        return known->symbol;
    }
}

// With a constant count, of which the compiler makes one loop each.
static inline __attribute__((always_inline)) int take(
    BareBars *bars, const uint8_t *packet, size_t bytes, const int count) {
    uint32_t symbols[INDEXES_MAX];
    uint32_t defined = 0;
    const uint8_t *at = packet + HEADER_BYTES, *end = packet + bytes;
    while (at < end) {
        const uint16_t template = u16(at + 2);
        const uint8_t *body = at + 8;
        if (template == TRADE) {
            const uint32_t index = u32(body);
            if (index >= defined) return 0;
            const int64_t time = i64(body + 8), price = i64(body + 32), size = i64(body + 40);
            const __int128 notional = (__int128)price * size;
            Window *window = &bars->windows[(size_t)symbols[index] * (size_t)count];
            for (int i = 0; i < count; i++, window++) {
                if (time >= window->end) next_window(bars, window, time, bars->widths[i], price);
                window->trades++;
                window->volume += size;
                window->notional += notional;
                window->high = price > window->high ? price : window->high;
                window->low = price < window->low ? price : window->low;
                window->close = price;
            }
            at = body + 64;
        } else if (template == SYMBOL_DEFINITION) {
            const uint32_t index = u32(body), length = u32(body + 16);
            const int64_t symbol = symbol_of(bars, body + 20, length);
            if (symbol < 0 || index != defined || index >= INDEXES_MAX) return 0;
            symbols[defined++] = (uint32_t)symbol;
            at = body + 20 + length;
            for (int field = 0; field < 2; field++) at += 4 + u32(at);
        } else {
            return 0;
        }
    }
    return 1;
}

int bare_bars_take(BareBars *bars, const uint8_t *packet, size_t bytes) {
    if (bytes < HEADER_BYTES || u64(packet) == 0) return 0;
    return bars->count == 1 ? take(bars, packet, bytes, 1) : take(bars, packet, bytes, SERIES_MAX);
}

BareBarsTotal bare_bars_finish(BareBars *bars) {
    for (size_t i = 0; i < (size_t)bars->symbols * (size_t)bars->count; i++) {
        close_window(bars, &bars->windows[i]);
        bars->windows[i].trades = 0;
    }
    return bars->total;
}
