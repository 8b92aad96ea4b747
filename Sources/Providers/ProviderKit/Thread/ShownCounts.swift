internal import Synchronization
package import ServiceRuntime

/// An engine's counts when they were last added to the metrics.
package final class ShownCounts<Counts: Sendable>: Sendable {
    private let counts: Mutex<Counts>

    package init(_ zero: Counts) { counts = Mutex(zero) }

    /// Adds what was counted since the last call.
    package func add(
        _ next: Counts, to counters: [(Counter, @Sendable (Counts) -> UInt64)]
    ) {
        let before = exchange(next)
        for (counter, value) in counters {
            counter.add(value(next) &- min(value(before), value(next)))
        }
    }

    /// Begins again: the next engine counts from 0.
    package func reset(to zero: Counts) { _ = exchange(zero) }

    private func exchange(_ next: Counts) -> Counts {
        counts.withLock { counts in
            let before = counts
            counts = next
            return before
        }
    }
}
