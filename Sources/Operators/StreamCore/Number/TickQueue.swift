internal import MarketModel

/// A queue of one symbol's ticks in a `NumberMachine`. They wait until the watermark has passed
/// them, so that they can be taken in the order of their event times. Its owner bounds the number
/// of ticks in all queues (`StreamLimits.waitingTicksMax`).
struct TickQueue: Sendable {
    /// The ticks. They nearly always arrive in order. If not, `sort` is called before they are
    /// taken.
    private(set) var ticks: [TickInput] = []
    /// Whether `ticks` is in order.
    private var isSorted = true
    /// The event time of the first tick; `Int64.max` when there is none.
    private(set) var earliest = Int64.max

    var count: Int { ticks.count }

    mutating func append(_ tick: TickInput) {
        if let last = ticks.last, isSorted {
            isSorted =
                last.time < tick.time
                || last.time == tick.time && last.feed == tick.feed && last.ordinal < tick.ordinal
        }
        earliest = min(earliest, tick.time)
        ticks.append(tick)
    }

    /// Puts the ticks into the order of event time and, within a nanosecond, that of
    /// `SourceTable.isBefore`.
    mutating func sort(_ sources: SourceTable) {
        guard !isSorted else { return }
        ticks.sort { Self.isInOrder($0, $1, sources) }
        isSorted = true
    }

    /// Orders two ticks. Marks and exclusions have no ordinal, so their kind decides between them,
    /// and one state has one order.
    private static func isInOrder(
        _ left: TickInput, _ right: TickInput, _ sources: SourceTable
    ) -> Bool {
        if left.precedes(right, sources) { return true }
        if right.precedes(left, sources) { return false }
        return left.note.rawValue < right.note.rawValue
    }

    /// Returns how many of the sorted ticks are before a time.
    func count(before time: Int64) -> Int {
        ticks.partitioningIndex { $0.time >= time }
    }

    /// Removes the first ticks, which were taken.
    mutating func removeFirst(_ count: Int) {
        if count == ticks.count {
            ticks.removeAll(keepingCapacity: true)
        } else {
            ticks.removeFirst(count)
        }
        earliest = ticks.first?.time ?? Int64.max
    }

    /// Replaces the ticks in [from, to) by others. Marks stay.
    mutating func replace(from: Int64, to: Int64, with others: some Sequence<TickInput>) {
        var kept = TickQueue()
        for tick in ticks where tick.time < from || tick.time >= to || tick.note == .restart {
            kept.append(tick)
        }
        for tick in others { kept.append(tick) }
        self = kept
    }
}
