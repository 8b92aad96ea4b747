internal import Primitives

// The account of ticks as bytes, in the same order for the snapshots of all machines.

extension BarCounters {
    /// The terms that a machine stores. Only a `BarMachine` fills windows, and lets repairs change
    /// the number of counted ticks.
    enum Terms {
        /// Those of a `BarMachine`.
        case all
        /// Those of the other machines: without `filled` and `repaired`.
        case withoutFills

        /// The terms in the order of their bytes.
        var ofSeries: [WritableKeyPath<Series, UInt64>] {
            let first: [WritableKeyPath<Series, UInt64>] = [
                \.counted, \.leftOut, \.late, \.refused, \.lateUnlisted, \.outsideSession, \.bars,
                \.revisions, \.repairs, \.repairsRefused,
            ]
            let last: [WritableKeyPath<Series, UInt64>] = [
                \.windowsWithoutTrades, \.notionalSaturated,
            ]
            return first + (self == .all ? [\.filled] : []) + last
        }
    }

    /// The terms over all series, in the order of their bytes.
    private static var ofAll: [WritableKeyPath<BarCounters, UInt64>] {
        [\.received, \.unknownSymbol, \.backfilled, \.filter, \.undefined]
    }

    func encode(_ terms: Terms, into bytes: inout [UInt8]) {
        for term in Self.ofAll { bytes.append(integer: self[keyPath: term]) }
        for one in series {
            for term in terms.ofSeries { bytes.append(integer: one[keyPath: term]) }
            if terms == .all { bytes.append(integer: one.repaired) }
        }
    }

    /// Restores counters for the same number of series. The machine has to check the equation of
    /// `BarCounters`.
    mutating func restore(
        _ terms: Terms, _ reader: inout StateReader, _ bytes: RawSpan
    ) throws(CheckpointError) {
        try reader.tallies(Self.ofAll, of: &self, in: bytes)
        for index in series.indices {
            try reader.tallies(terms.ofSeries, of: &series[index], in: bytes)
            guard terms == .all else { continue }
            series[index].repaired = try reader.int64(in: bytes)
            guard series[index].repaired.magnitude < CheckpointLimits.countMax else {
                throw reader.malformed(.counter)
            }
        }
    }
}
