package import MarketModel
package import Primitives
internal import TapeCodec

extension HeadStore {
    /// A reader's distance to the heads of one partition, over all its sources.
    package struct Lag: Hashable, Sendable {
        /// The number of unread records.
        package var ticks: UInt64
        /// The age of the oldest of them; 0 when there are none. `nil` when one of them was there
        /// before listening began, or is older than the samples.
        package var nanoseconds: Int64?
    }

    /// A lag is known as long as any head of its input was received within this time: ten reports
    /// of a `HeadReporter`.
    package static let silenceNanosecondsMax: Int64 = 10_000_000_000

    /// Returns whether any head of the inputs was received within ten seconds.
    package func isReported(_ inputs: Set<ReaderPosition.Input>, now: MonotonicTime) -> Bool {
        guard let newest = inputs.compactMap({ receivedAt($0) }).max() else { return false }
        return now < newest + Self.silenceNanosecondsMax
    }

    /// Returns by source the sum of its newest ordinals over all partitions.
    package func ordinals(of input: ReaderPosition.Input) -> [SourceName: UInt64] {
        var sums: [SourceName: UInt64] = [:]
        for (key, entry) in entries where key.input == input {
            let (sum, overflow) = (sums[key.source] ?? 0)
                .addingReportingOverflow(entry.head.lastOrdinal)
            sums[key.source] = overflow ? .max : sum
        }
        return sums
    }

    /// Returns the lag of a reader at this position; `nil` when no head of its input was received
    /// for too long.
    package func lag(of position: ReaderPosition, now: MonotonicTime) -> Lag? {
        guard isReported([position.input], now: now) else { return nil }
        return lag(of: [position], now: now)
    }

    /// Returns the lag of a group at these positions together, by the heads as they were last
    /// received.
    package func lag(of positions: [ReaderPosition], now: MonotonicTime) -> Lag {
        let read = [PositionStore.Place: ReaderPosition](
            positions.map { (PositionStore.Place($0), $0) }, uniquingKeysWith: { $1 })
        var lag = Lag(ticks: 0, nanoseconds: 0)
        for (key, entry) in entries {
            let place = PositionStore.Place(input: key.input, partition: key.partition)
            guard let position = read[place] else { continue }
            let last = position.sources.first { $0.source == key.source }?.lastOrdinal ?? 0
            lag.add(entry, read: last, now: now)
        }
        return lag
    }
}

extension HeadStore.Lag {
    fileprivate mutating func add(_ entry: HeadStore.Entry, read: UInt64, now: MonotonicTime) {
        guard entry.head.lastOrdinal > read else { return }
        let (sum, overflow) = ticks.addingReportingOverflow(entry.head.lastOrdinal - read)
        ticks = overflow ? .max : sum
        let age = entry.passed(read).map { max(0, now - $0) }
        nanoseconds = nanoseconds.flatMap { known in age.map { max(known, $0) } }
    }
}
