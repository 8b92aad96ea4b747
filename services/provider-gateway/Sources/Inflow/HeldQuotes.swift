import MarketModel
import Primitives

/// The quotes that wait while quotes are conflated: per symbol the latest that was not taken. Pure.
///
/// `SourceTenure+Quotes` uses it. A later quote of the same symbol replaces the waiting one, which
/// is then left out. A quote that no other follows is released, onto the tape, when its symbol has
/// waited for a second, when there is room again, or when the tenure ends in order. So the last of
/// several quotes is never missing. Until then no watermark of its lane may pass its time: a
/// successor that finds no record of the quote begins its own gap there. A `symbol` is the
/// instrument's number in the source's list.
struct HeldQuotes {
    /// A held quote.
    private struct Slot {
        var quote: Quote
        /// When the symbol's first waiting quote came. A quote that replaces it does not restart
        /// the wait.
        var since: MonotonicTime
    }

    /// An entry of the queue: the symbol began to wait at this moment.
    private struct Turn {
        var symbol: Int
        var since: MonotonicTime
    }

    /// How long a quote is held at most while the source is pressed.
    static let waitNanosecondsMax: Int64 = 1_000_000_000

    /// The waiting quotes, per symbol; `nil` when none waits.
    private var slots: [Slot?]
    /// The lane of each symbol.
    private var laneOf: [Int]
    /// Per lane, the event time of its earliest waiting quote, or an earlier time; undefined when
    /// none waits.
    private var watermarksMax: [Timestamp]
    /// The symbols in the order of `since`. An entry stays until it would be due, even when its
    /// quote was removed: `isWaiting` finds out. Removing it from the middle would cost more.
    private var queue: [Turn] = []
    /// The number of held quotes.
    private(set) var count = 0
    /// Whether `watermarksMax` are exact. After a quote was removed or replaced they may be too
    /// early, until `settle`.
    private var isSettled = true

    /// `laneOf` has the lane of each symbol; all of them are below `laneCount`.
    init(laneOf: [Int], laneCount: Int) {
        self.laneOf = laneOf
        slots = [Slot?](repeating: nil, count: laneOf.count)
        watermarksMax = [Timestamp](repeating: .undefined, count: laneCount)
    }

    /// Adds the next symbol number of the source's list. Its ticks go to this lane.
    mutating func addSymbol(lane: Int) {
        laneOf.append(lane)
        slots.append(nil)
    }

    var isEmpty: Bool { count == 0 }

    /// Returns the symbol's waiting quote; `nil` when none waits.
    func quote(_ symbol: Int) -> Quote? { symbol < slots.count ? slots[symbol]?.quote : nil }

    /// Stores a quote and returns the one that it replaces; `nil` when none waited.
    mutating func hold(_ quote: Quote, symbol: Int, now: MonotonicTime) -> Quote? {
        let before = slots[symbol]
        slots[symbol] = Slot(quote: quote, since: before?.since ?? now)
        let lane = laneOf[symbol]
        watermarksMax[lane] = min(watermarksMax[lane], quote.header.eventTime)
        isSettled = isSettled && before == nil
        guard let before else {
            count += 1
            queue.append(Turn(symbol: symbol, since: now))
            // This bounds the queue: at most one entry per symbol waits.
            if queue.count > 2 * slots.count { queue = queue.filter(isWaiting) }
            return nil
        }
        return before.quote
    }

    /// Removes the symbol's quote, because it was taken or left out, and returns it.
    mutating func remove(_ symbol: Int) -> Quote? {
        guard symbol < slots.count, let slot = slots[symbol] else { return nil }
        slots[symbol] = nil
        count -= 1
        isSettled = false
        return slot.quote
    }

    /// Returns the symbols whose quotes have waited for so long. They stay due until they are
    /// removed, because there may be no room for them now.
    mutating func due(now: MonotonicTime, after wait: Int64 = waitNanosecondsMax) -> [Int] {
        let end = queue.firstIndex { now < $0.since + wait } ?? queue.endIndex
        guard end > 0 else { return [] }
        let waiting = queue[..<end].filter(isWaiting)
        queue.replaceSubrange(..<end, with: waiting)
        return waiting.map(\.symbol)
    }

    /// The symbols whose quotes wait, in the order of their waiting time, longest first.
    var symbols: [Int] { queue.filter(isWaiting).map(\.symbol) }

    /// Returns whether the entry's quote still waits, or one that replaced it.
    private func isWaiting(_ turn: Turn) -> Bool { slots[turn.symbol]?.since == turn.since }

    // MARK: watermarks

    /// Returns the time that no watermark of the lane may pass; undefined when no quote holds it
    /// back.
    func watermarkMax(lane: Int) -> Timestamp { watermarksMax[lane] }

    /// Makes `watermarkMax` exact. It visits all symbols, so the gateway's main loop calls it once
    /// per turn and not per quote.
    mutating func settle() {
        guard !isSettled else { return }
        isSettled = true
        for lane in watermarksMax.indices { watermarksMax[lane] = .undefined }
        guard count > 0 else { return }
        for (symbol, slot) in slots.enumerated() {
            guard let slot else { continue }
            let lane = laneOf[symbol]
            watermarksMax[lane] = min(watermarksMax[lane], slot.quote.header.eventTime)
        }
    }
}
