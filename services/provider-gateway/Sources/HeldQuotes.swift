import MarketModel
import Primitives

/// The quotes that wait while quotes are conflated: of each symbol the latest that was not taken.
///
/// Pure; times of waiting are monotonic nanoseconds. A later quote of its symbol takes a waiting
/// one's place, and that one is what is left out. What nothing follows gets through: when it has
/// waited for a second, when there is room again, or when the source is given back. So the last
/// quote of a burst is never the one that is missing. Until then no watermark of its lane may pass
/// its time: a successor that finds nothing of it begins its own gap there.
struct HeldQuotes {
    private struct Slot {
        var quote: Quote
        /// Of the quote whose place it took first: none of a symbol makes the next one wait longer.
        var since: Int64
    }

    private struct Turn {
        var symbol: Int
        var since: Int64
    }

    static let waitNanosecondsMax: Int64 = 1_000_000_000

    /// Per symbol.
    private var slots: [Slot?]
    private var laneOf: [Int]
    /// Per lane: no waiting quote is earlier; undefined: none waits.
    private var holds: [Timestamp]
    /// In the order of `since`. One whose quote does not wait any more stays until it would be due.
    private var queue: [Turn] = []
    private(set) var count = 0
    private var isSettled = true

    /// `laneOf`: per symbol; `laneCount` is above all of them.
    init(laneOf: [Int], laneCount: Int) {
        self.laneOf = laneOf
        slots = [Slot?](repeating: nil, count: laneOf.count)
        holds = [Timestamp](repeating: .undefined, count: laneCount)
    }

    mutating func addSymbol(lane: Int) {
        laneOf.append(lane)
        slots.append(nil)
    }

    var isEmpty: Bool { count == 0 }

    /// The one of the symbol that waits.
    func quote(_ symbol: Int) -> Quote? { symbol < slots.count ? slots[symbol]?.quote : nil }

    /// Takes the quote in; the answer is the one whose place it took.
    mutating func hold(_ quote: Quote, symbol: Int, now: Int64) -> Quote? {
        let before = slots[symbol]
        slots[symbol] = Slot(quote: quote, since: before?.since ?? now)
        let lane = laneOf[symbol]
        holds[lane] = min(holds[lane], quote.header.eventTime)
        isSettled = isSettled && before == nil
        guard let before else {
            count += 1
            queue.append(Turn(symbol: symbol, since: now))
            if queue.count > 2 * slots.count { queue = queue.filter(isWaiting) }
            return nil
        }
        return before.quote
    }

    /// It is on its way, or left out.
    mutating func remove(_ symbol: Int) -> Quote? {
        guard symbol < slots.count, let slot = slots[symbol] else { return nil }
        slots[symbol] = nil
        count -= 1
        isSettled = false
        return slot.quote
    }

    /// Symbols whose quotes have waited for long enough. They stay due until they are removed.
    mutating func due(now: Int64) -> [Int] {
        let end = queue.firstIndex { now < $0.since + Self.waitNanosecondsMax } ?? queue.endIndex
        guard end > 0 else { return [] }
        let waiting = queue[..<end].filter(isWaiting)
        queue.replaceSubrange(..<end, with: waiting)
        return waiting.map(\.symbol)
    }

    /// Symbols whose quotes wait, those that wait longest first.
    var symbols: [Int] { queue.filter(isWaiting).map(\.symbol) }

    private func isWaiting(_ turn: Turn) -> Bool { slots[turn.symbol]?.since == turn.since }

    // MARK: watermarks

    /// No watermark of the lane may be later; undefined: it is free.
    func hold(lane: Int) -> Timestamp { holds[lane] }

    /// Lets go of what is held back for quotes that wait no more; once a turn, not for each.
    mutating func settle() {
        guard !isSettled else { return }
        isSettled = true
        for lane in holds.indices { holds[lane] = .undefined }
        guard count > 0 else { return }
        for (symbol, slot) in slots.enumerated() {
            guard let slot else { continue }
            let lane = laneOf[symbol]
            holds[lane] = min(holds[lane], slot.quote.header.eventTime)
        }
    }
}
