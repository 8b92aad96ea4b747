#pragma once
#include <stddef.h>
#include <stdint.h>

/// The least that makes time bars of trades out of the bytes of packets, in plain C: what our graph
/// is measured beside. It trusts the packets: no checksum, no order of arrival, nothing late or
/// excluded, no rules, no watermarks; a window closes with the next trade behind it.
typedef struct BareBars BareBars;

/// Sums over all bars that were closed, for comparing.
typedef struct {
    uint64_t bars;
    uint64_t trades;
    /// Of all four prices and the VWAP; wraps.
    uint64_t prices;
    /// The lower halves.
    uint64_t volume;
    uint64_t notional;
} BareBarsTotal;

/// One or three widths in nanoseconds; NULL when there is no memory.
BareBars *bare_bars_new(const int64_t *widths, int count);
void bare_bars_free(BareBars *bars);
/// False: a message that it does not know, or more symbols than it has room for.
int bare_bars_take(BareBars *bars, const uint8_t *packet, size_t bytes);
/// Closes what is open.
BareBarsTotal bare_bars_finish(BareBars *bars);
