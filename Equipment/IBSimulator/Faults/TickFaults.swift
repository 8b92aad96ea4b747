internal import Primitives

/// The faults of a connection's next ticks: sent late, sent twice, or in another order.
struct TickFaults: Sendable {
    /// How late a late tick is sent, and how long a tick waits for the one that is to overtake it.
    static let lateNanoseconds: Int64 = 3_000_000_000
    static let overtakenNanoseconds: Int64 = 1_000_000_000

    var late = 0
    var doubled = 0
    var reordered = 0
    private var held: [(due: Timestamp, message: QueuedMessage)] = []
    private var overtaken: (due: Timestamp, message: QueuedMessage)?

    var isQuiet: Bool {
        late == 0 && doubled == 0 && reordered == 0 && held.isEmpty && overtaken == nil
    }

    /// Returns what is to be sent now in place of the tick.
    mutating func pass(_ tick: QueuedMessage, now: Timestamp) -> [QueuedMessage] {
        if let first = overtaken {
            overtaken = nil
            return [tick, first.message]
        }
        if late > 0, held.count < SimulatorLimits.heldTicksMax {
            late -= 1
            held.append((now.advanced(byNanoseconds: Self.lateNanoseconds), tick))
            return []
        }
        if doubled > 0 {
            doubled -= 1
            return [tick, tick]
        }
        if reordered > 0 {
            reordered -= 1
            overtaken = (now.advanced(byNanoseconds: Self.overtakenNanoseconds), tick)
            return []
        }
        return [tick]
    }

    /// Returns the ticks that have waited long enough.
    mutating func due(now: Timestamp) -> [QueuedMessage] {
        var ready: [QueuedMessage] = []
        if let first = overtaken, first.due <= now {
            ready.append(first.message)
            overtaken = nil
        }
        let count = held.firstIndex { $0.due > now } ?? held.count
        ready += held.prefix(count).map(\.message)
        held.removeFirst(count)
        return ready
    }

    var nextDue: Timestamp? {
        [overtaken?.due, held.first?.due].compactMap { $0 }.min()
    }
}
