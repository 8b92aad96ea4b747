package import MarketModel
package import Primitives

/// A gap without an end.
package struct UnendedGap: Sendable {
    package var from: Timestamp
    package var reason: GapReason

    package init(from: Timestamp, reason: GapReason) {
        self.from = from
        self.reason = reason
    }
}

/// What an engine is asked for, and makes records about: one kind of data of one instrument.
package protocol RecordedFeed {
    var instrument: UInt32 { get }
    var kind: DataKind { get }
}

extension RecordedFeed {
    /// Returns a header for a record about the feed.
    package func header(at time: Timestamp, flags: TickFlags = []) -> TickHeader {
        TickHeader(
            symbol: instrument, flags: flags, providerTime: .undefined, receiveTime: time,
            providerID: 0)
    }

    /// Returns a gap record; it is never empty. Without an end it is open. A long detail is cut.
    package func gap(
        _ span: (from: Timestamp, to: Timestamp), _ reason: GapReason, _ state: GapState,
        at time: Timestamp, detail: String = ""
    ) -> ProviderRecord {
        let (from, to) = span
        let end = to.isDefined ? max(to, from.advanced(byNanoseconds: 1)) : to
        return .tape(
            .gap(
                GapRecord(
                    header: header(at: time), from: from, to: end, kind: kind, reason: reason,
                    state: state, detail: detail.cut(toUTF8: GapRecord.detailBytesMax))))
    }
}

/// A feed of what happens now. Its outages are gaps, one at a time.
package protocol LiveFeed: RecordedFeed {
    /// The gaps that an earlier process left, which have an end.
    var inherited: [OpenGap] { get set }
    /// The gap that is open now; `nil`: there is none.
    var openGap: UnendedGap? { get set }
}

extension LiveFeed {
    /// Opens a gap whose end is not known yet.
    package mutating func beginGap(
        _ gap: UnendedGap, _ why: String, at time: Timestamp, into records: inout [ProviderRecord]
    ) {
        openGap = gap
        records.append(
            self.gap(
                (from: gap.from, to: .undefined), gap.reason, .open, at: time, detail: why))
    }

    /// Records the end of the open gap, if there is one. What became of it follows. Without its
    /// end, all time after it would stay missing.
    package mutating func endGap(
        _ end: Timestamp, _ detail: String = "", at time: Timestamp,
        into records: inout [ProviderRecord]
    ) {
        guard let gap = openGap else { return }
        openGap = nil
        records.append(
            self.gap((from: gap.from, to: end), gap.reason, .open, at: time, detail: detail))
    }

    /// Ends the open gap, if there is one, and records what became of it.
    package mutating func settleGap(
        _ end: Timestamp, _ state: GapState, _ detail: String, at time: Timestamp,
        into records: inout [ProviderRecord]
    ) {
        guard let gap = openGap else { return }
        endGap(end, at: time, into: &records)
        records.append(
            self.gap((from: gap.from, to: end), gap.reason, state, at: time, detail: detail))
    }

    /// Records the beginning of the subscription. What an earlier process left stays missing.
    package mutating func announce(
        _ start: SubscriptionRecord, _ why: String, at time: Timestamp,
        into records: inout [ProviderRecord]
    ) {
        records.append(.tape(.subscription(start)))
        for gap in inherited {
            records.append(
                self.gap(
                    (from: gap.from, to: gap.to), gap.reason, .abandoned, at: time, detail: why))
        }
        inherited = []
    }
}
