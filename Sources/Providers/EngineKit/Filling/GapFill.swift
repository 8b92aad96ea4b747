import MarketModel
import Primitives

/// A gap that is being filled.
struct GapFill<Place: Sendable>: RecordedFeed, Sendable {
    let gap: EndedGap
    /// What is asked for: the known part.
    var past: HistoryFeed<Place>
    /// When the past is expected to have it, and when it is given up.
    var dueAt: MonotonicTime
    let until: MonotonicTime
    /// What became of the gap is on record up to this time.
    var reported: Timestamp
    var hasBegun = false
    var pages = 0
    /// Answers in a row that cannot be used.
    var failures = 0
    /// Trades that were added.
    var added = 0

    var instrument: UInt32 { gap.instrument }
    var kind: DataKind { .trade }

    /// Records what became of the gap up to a time.
    mutating func report(
        _ state: GapState, to time: Timestamp, _ detail: String, at now: Timestamp,
        into records: inout [ProviderRecord]
    ) {
        let end = min(time, gap.span.upperBound)
        guard reported < end else { return }
        records.append(
            self.gap((from: reported, to: end), gap.reason, state, at: now, detail: detail))
        reported = end
    }

    /// Records that it is being filled, once, and that its beginning is not.
    mutating func begin(_ why: String, at now: Timestamp, into records: inout [ProviderRecord]) {
        guard !hasBegun else { return }
        hasBegun = true
        let (from, to) = (gap.span.lowerBound, gap.span.upperBound)
        records.append(self.gap((from: from, to: to), gap.reason, .filling, at: now))
        report(.abandoned, to: past.range.lowerBound, why, at: now, into: &records)
    }

    /// Records that it is filled up to a time.
    mutating func fill(to time: Timestamp, at now: Timestamp, into records: inout [ProviderRecord])
    {
        let detail = added == 1 ? "1 trade added" : "\(added) trades added"
        report(.filled, to: time, detail, at: now, into: &records)
    }

    /// Records that the tape cannot have what happened at a time.
    mutating func misfits(
        _ text: String, _ time: Timestamp, at now: Timestamp, into records: inout [ProviderRecord]
    ) {
        let end = time.advanced(byNanoseconds: 1)
        records.append(gap((from: time, to: end), .scale, .abandoned, at: now, detail: text))
        reported = max(reported, end)
    }
}
