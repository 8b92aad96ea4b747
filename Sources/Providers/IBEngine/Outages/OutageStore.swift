internal import MarketModel
internal import Primitives

/// The intervals in which data are missing, per instrument and kind.
///
/// At most one interval is open per instrument and kind. The call that ends it gives the time from
/// which data are there again.
struct OutageStore: Sendable {
    private struct Key: Hashable {
        var instrument: UInt32
        var kind: DataKind
    }

    /// The indexes in `open`.
    private var places: [Key: Int] = [:]
    /// The open gaps. When one ends, the last one takes its place, so the order depends on the
    /// calls only.
    private(set) var open: [OpenGap] = []
    /// The numbers of gaps that have begun, and that have ended, since the start.
    private(set) var begun: UInt64 = 0
    private(set) var ended: UInt64 = 0

    func isOpen(_ instrument: UInt32, _ kind: DataKind) -> Bool {
        places[Key(instrument: instrument, kind: kind)] != nil
    }

    /// Begins an interval. Returns false when one is open already: the earlier one includes it.
    @discardableResult
    mutating func begin(_ gap: OpenGap) -> Bool {
        let key = Key(instrument: gap.instrument, kind: gap.kind)
        guard places[key] == nil else { return false }
        places[key] = open.count
        open.append(gap)
        begun &+= 1
        return true
    }

    /// Ends an interval, and returns it; `nil` when none is open. The end is later than the
    /// beginning, by 1 ns at least.
    mutating func end(
        _ instrument: UInt32, _ kind: DataKind, to: Timestamp
    ) -> OpenGap? {
        let key = Key(instrument: instrument, kind: kind)
        guard let place = places.removeValue(forKey: key) else { return nil }
        var gap = open[place]
        // The last gap takes its place.
        let last = open.removeLast()
        if place < open.count {
            open[place] = last
            places[Key(instrument: last.instrument, kind: last.kind)] = place
        }
        ended &+= 1
        gap.to = max(to, gap.from.advanced(byNanoseconds: 1))
        return gap
    }
}

extension OpenGap {
    /// Returns the gap record with this state. `detail`: for people.
    func record(_ state: GapState, detail: String = "", now: Timestamp) -> GapRecord {
        GapRecord(
            header: TickHeader(symbol: instrument, providerTime: .undefined, receiveTime: now),
            from: from, to: to, kind: kind, reason: reason, state: state,
            detail: detail.cutToReason)
    }
}
