package import MarketModel

/// Which rows a reader asked for.
package struct RowSelection: Sendable {
    /// Empty: all. Records of all symbols always belong to the selection.
    package var symbols: Set<Symbol>
    /// Empty: all.
    package var sources: Set<SourceName>
    /// Event times in [from, to), in nanoseconds; the lowest and the highest number: no limit.
    package var from: Int64
    package var to: Int64
    /// Go on over missing ordinals and note them, instead of an error.
    package var marksHoles: Bool
    /// The partitions that can hold selected rows; `nil`: all.
    package var partitions: Set<Partition>?

    package init(
        symbols: Set<Symbol> = [], sources: Set<SourceName> = [], from: Int64 = .min,
        to: Int64 = .max, marksHoles: Bool = false
    ) {
        self.symbols = symbols
        self.sources = sources
        self.from = from
        self.to = to
        self.marksHoles = marksHoles
    }

    /// Leaves out the partitions in which none of the selected symbols can be.
    package mutating func narrow(toPartitionsOf count: Int) {
        guard !symbols.isEmpty, Partition.countRange.contains(count) else { return }
        partitions = Set(symbols.map { Partition(of: $0, count: count) })
    }

    /// The times alone, for the loop over ticks.
    struct Times {
        let from: Int64
        let to: Int64
        let isUnlimited: Bool

        /// An undefined time belongs to no limited range.
        @inline(__always)
        func contains(_ time: Int64) -> Bool { isUnlimited || (time >= from && time < to) }

        func overlap(from start: Int64, to end: Int64) -> Bool {
            isUnlimited || ((start < to || start == .max) && end > from)
        }
    }

    /// Whether some ticks of a packet may not belong to it.
    var limitsTicks: Bool { !symbols.isEmpty || !times.isUnlimited }

    var times: Times { Times(from: from, to: to, isUnlimited: from == .min && to == .max) }
}
