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
