internal import MarketModel
internal import Primitives

/// The delayed ticks that are left out because their source takes no records, as gaps.
///
/// Live data wait for nothing of the delayed ones, which come over the same connection. So delayed
/// records wait up to a maximum, and ticks beyond it are left out. What reports about data
/// (subscriptions, gaps) waits in any case: later records have no meaning without it.
struct DelayedLosses {
    /// How many records that are no ticks may wait beyond the maximum. The ones of some ten
    /// reconnections of all instruments are fewer. Beyond it TWS is not read, for both sources.
    static let othersMax = 65_536

    private struct Key: Hashable {
        var instrument: UInt32
        var kind: DataKind
    }

    /// From the earliest to the latest event time of the ticks that were left out.
    private var times: [Key: ClosedRange<Timestamp>] = [:]
    /// So many of the waiting records stay.
    private var staying = 0

    /// Leaves out the ticks beyond `recordsMax` of the records that wait. The caller only appends
    /// to them until `end`. Returns how many were left out.
    mutating func limit(_ records: inout [ProviderRecord], to recordsMax: Int) -> Int {
        guard records.count > recordsMax else { return 0 }
        var kept = min(max(staying, recordsMax), records.count)
        for index in kept..<records.count {
            let record = records[index]
            guard let kind = record.kind, let header = record.header else {
                records[kept] = record
                kept += 1
                continue
            }
            note(Key(instrument: header.symbol, kind: kind), header.eventTime)
        }
        let count = records.count - kept
        records.removeLast(count)
        staying = kept
        return count
    }

    private mutating func note(_ key: Key, _ time: Timestamp) {
        let known = times[key] ?? time...time
        times[key] = min(known.lowerBound, time)...max(known.upperBound, time)
    }

    /// Appends a gap for each instrument and kind of which ticks were left out: the records leave
    /// now. As with what a policy of the gateway leaves out, nothing fills it in.
    mutating func end(into records: inout [ProviderRecord], now: Timestamp) {
        staying = 0
        guard !times.isEmpty else { return }
        let sorted = times.sorted {
            ($0.key.instrument, $0.key.kind.rawValue) < ($1.key.instrument, $1.key.kind.rawValue)
        }
        for (key, times) in sorted {
            let header = TickHeader(
                symbol: key.instrument, providerTime: .undefined, receiveTime: now)
            let gap = GapRecord(
                header: header, from: times.lowerBound,
                to: times.upperBound.advanced(byNanoseconds: 1), kind: key.kind, reason: .dropped,
                state: .open, detail: "the source of delayed data took no records")
            records.append(.tape(.gap(gap)))
        }
        times = [:]
    }
}
