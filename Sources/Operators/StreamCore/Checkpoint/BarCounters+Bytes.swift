internal import Primitives

// The account of ticks as bytes, in the same order for the snapshots of all machines.

extension BarCounters {
    /// Which terms a machine stores. Only machines of windows by time fill windows and let repairs
    /// change the account.
    enum Terms {
        case all
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

    /// Restores counters for the same number of series. The machine has to check whether they add
    /// up.
    mutating func restore(
        _ terms: Terms, _ reader: inout StateReader, _ bytes: RawSpan
    ) throws(CheckpointError) {
        for term in Self.ofAll { self[keyPath: term] = try reader.tally(in: bytes) }
        for index in series.indices {
            for term in terms.ofSeries {
                series[index][keyPath: term] = try reader.tally(in: bytes)
            }
            guard terms == .all else { continue }
            series[index].repaired = try reader.int64(in: bytes)
            guard series[index].repaired.magnitude < CheckpointLimits.countMax else {
                throw reader.malformed(.counter)
            }
        }
    }
}
