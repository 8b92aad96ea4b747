import Primitives

/// A trade on the tape, by the provider's id, or a bar of a loaded past, by its number.
struct LastTrade: Equatable, Sendable {
    var id: UInt64
    var time: Timestamp
}

/// What the ids of an instrument's trades say about the tape, of a provider whose ids follow each
/// other: the last live trade, and the ids before it that are not there.
struct TradeIDs: Equatable, Sendable {
    /// Ids that are not on the tape, and the times of the trades around them.
    struct Hole: Equatable, Sendable {
        /// Empty: all have come on request, and the record that tells of that is to come.
        var ids: Range<UInt64>
        var from: Timestamp
        var to: Timestamp
        /// Whether some were left out by what came on request.
        var isSkipped = false

        /// Whether the ids belong to a gap. It reaches from the trade before them to just behind
        /// the one after them, so it shares these trades with its neighbours.
        func belongs(to part: MissingPart) -> Bool {
            from < part.to.advanced(byNanoseconds: -1) && part.from < to
        }
    }

    /// Beyond it the oldest are forgotten: then nobody asks for them after a restart.
    static let holesMax = 1_024

    private(set) var last: LastTrade
    private(set) var holes: [Hole] = []

    init(_ last: LastTrade, holes: [Hole] = []) {
        self.last = last
        self.holes = holes
    }

    /// Takes live trades that follow each other, by the first and the last of them.
    mutating func take(_ run: TradeRunOfIDs) {
        if run.first.id <= last.id {
            // The provider counts from anew.
            holes.removeAll()
        } else if run.first.id > last.id + 1 {
            holes.append(
                Hole(
                    ids: last.id + 1..<run.first.id, from: last.time, to: run.first.time))
            if holes.count > Self.holesMax { holes.removeFirst() }
        }
        last = run.last
    }

    /// Takes a trade that came on request. They come in the order of their ids.
    mutating func fetched(_ id: UInt64) {
        guard let place = holes.firstIndex(where: { $0.ids.contains(id) }) else { return }
        let ids = holes[place].ids
        if id > ids.lowerBound { holes[place].isSkipped = true }
        holes[place].ids = id + 1..<ids.upperBound
        if holes[place].ids.isEmpty, holes[place].isSkipped { holes.remove(at: place) }
    }

    /// Forgets the ids of a gap that was filled or given up.
    mutating func settle(_ from: Timestamp, _ to: Timestamp) {
        holes.removeAll {
            $0.to <= to && ($0.from >= from || $0.ids.isEmpty && $0.to > from)
        }
        // The beginning of one may be given up alone.
        for place in holes.indices
        where from <= holes[place].from && holes[place].from < to && to < holes[place].to {
            holes[place].from = to
        }
    }

    /// Returns the ids that a gap lacks; empty: all have come; `nil`: they are not known.
    func missing(in part: MissingPart) -> Range<UInt64>? {
        guard part.hasEnded else { return nil }
        let own = holes.filter { $0.belongs(to: part) }
        return own.count == 1 ? own.first?.ids : nil
    }
}

/// Live trades of one instrument whose ids follow each other.
struct TradeRunOfIDs: Equatable, Sendable {
    var first: LastTrade
    var last: LastTrade

    init(_ trade: LastTrade) { (first, last) = (trade, trade) }
}
