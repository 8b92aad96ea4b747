internal import MarketModel
internal import TapeCodec

extension HeadBook {
    /// How far a reader is behind on one partition.
    public struct Lag: Hashable, Sendable {
        /// Ticks, or bars, that were not read.
        public var ticks: UInt64
        /// Age of the oldest of them; nil: they were there already when listening began.
        public var nanoseconds: Int64?
    }

    /// A lag is known as long as any head was heard within this time.
    public static let silenceNanosecondsMax: Int64 = 10_000_000_000

    /// Some head of the inputs was heard within ten seconds.
    public func isHeard(_ inputs: Set<ReaderPosition.Input>, now: Int64) -> Bool {
        guard let newest = inputs.compactMap({ heardAt($0) }).max() else { return false }
        return now < newest + Self.silenceNanosecondsMax
    }

    /// Of a reader that is at this position. Nil: no head of its input was heard for too long.
    public func lag(of position: ReaderPosition, now: Int64) -> Lag? {
        guard isHeard([position.input], now: now) else { return nil }
        var lag = Lag(ticks: 0, nanoseconds: 0)
        for (key, entry) in entries
        where key.input == position.input && key.partition == position.partition {
            let read = position.sources.first { $0.source == key.source }?.lastOrdinal ?? 0
            guard entry.head.lastOrdinal > read else { continue }
            let (sum, overflow) = lag.ticks.addingReportingOverflow(entry.head.lastOrdinal - read)
            lag.ticks = overflow ? .max : sum
            let age = entry.passed(read).map { max(0, now - $0) }
            lag.nanoseconds = lag.nanoseconds.flatMap { known in age.map { max(known, $0) } }
        }
        return lag
    }
}
