import MarketModel
import PostgresClient
import Primitives
import StreamCore

// Ticks of several kinds in the order of the tape. A join pairs a trade with the quote before it
// there, and receive times do not tell: a gateway may hold a quote back.
extension ProofDatabase {
    /// Reads the ticks of these kinds, page by page: those of one source by their ordinals, and of
    /// several sources those first whose latest receive time so far is the least.
    func merged(
        _ symbol: Symbol, _ groups: SourceGroups, _ kinds: [DataKind], _ range: Range<Int64>,
        _ take: (ProofTick) throws(ToolError) -> Void
    ) throws(ToolError) {
        var streams: [ProofStream] = []
        for source in try sources(symbol, kinds, range) {
            var stream = ProofStream(
                kinds.map { ProofCursor(symbol: symbol, kind: $0, source: source, range: range) })
            try stream.load(self, groups)
            streams.append(stream)
        }
        while true {
            let next = streams.indices.filter { streams[$0].head != nil }
                .min { streams[$0].clock < streams[$1].clock }
            guard let next, let tick = streams[next].head else { return }
            try take(tick)
            try streams[next].advance(self, groups)
        }
    }

    /// Returns the sources of the ticks, in order of their names.
    private func sources(
        _ symbol: Symbol, _ kinds: [DataKind], _ range: Range<Int64>
    ) throws(ToolError) -> [SourceName] {
        let parts = kinds.map { kind in
            let table = Self.table(kind)
            return """
                SELECT source FROM \(table.name) WHERE symbol = $5 AND ts >= $1 AND ts <= $2
                    AND \(table.time) >= $3 AND \(table.time) < $4
                """
        }
        let rows = try rows(
            parts.joined(separator: " UNION ") + " ORDER BY 1",
            Self.bounds(range.lowerBound, range.upperBound) + [.text(symbol.text)])
        return (0..<rows.rowCount).compactMap { rows.text($0, 0).flatMap { SourceName($0) } }
    }

    /// Reads the next ticks of one kind and source by their ordinals.
    fileprivate func page(
        _ cursor: ProofCursor, _ groups: SourceGroups
    ) throws(ToolError) -> (ticks: [ProofTick], last: Int64?) {
        let query = """
            \(Self.selection(cursor.kind)) AND source = $6 AND ordinal > $7
            ORDER BY ordinal LIMIT \(Self.page)
            """
        let rows = try rows(
            query,
            Self.bounds(cursor.range.lowerBound, cursor.range.upperBound)
                + [.text(cursor.symbol.text), .text(cursor.source.text), .integer(cursor.last)])
        let ticks = (0..<rows.rowCount).compactMap {
            Self.tick(rows, $0, cursor.symbol, groups, cursor.kind)
        }
        let isFull = rows.rowCount == Self.page
        return (ticks, isFull ? rows.integer(rows.rowCount - 1, 14) : nil)
    }
}

/// The ticks of one kind of one source, by their ordinals.
private struct ProofCursor {
    let symbol: Symbol
    let kind: DataKind
    let source: SourceName
    let range: Range<Int64>
    /// The ordinal behind which the next page begins.
    private(set) var last = Int64.min
    private var ticks: [ProofTick] = []
    private var place = 0
    private var isOver = false

    init(symbol: Symbol, kind: DataKind, source: SourceName, range: Range<Int64>) {
        (self.symbol, self.kind, self.source, self.range) = (symbol, kind, source, range)
    }

    /// The next tick; `nil` at the end.
    var head: ProofTick? { place < ticks.count ? ticks[place] : nil }

    mutating func advance() { place += 1 }

    /// Reads the next page if there is none.
    mutating func load(_ database: ProofDatabase, _ groups: SourceGroups) throws(ToolError) {
        while place >= ticks.count, !isOver {
            let page = try database.page(self, groups)
            (ticks, place) = (page.ticks, 0)
            if let last = page.last { self.last = last } else { isOver = true }
        }
    }
}

/// The ticks of one source, of all kinds.
private struct ProofStream {
    private var cursors: [ProofCursor]
    /// The cursor with the least ordinal; `nil` at the end.
    private var next: Int?
    /// The latest receive time so far, with that of the next tick.
    private(set) var clock = Int64.min

    init(_ cursors: [ProofCursor]) { self.cursors = cursors }

    /// The next tick; `nil` at the end.
    var head: ProofTick? { next.flatMap { cursors[$0].head } }

    mutating func load(_ database: ProofDatabase, _ groups: SourceGroups) throws(ToolError) {
        for index in cursors.indices { try cursors[index].load(database, groups) }
        next = cursors.indices.filter { cursors[$0].head != nil }
            .min { cursors[$0].ordinal < cursors[$1].ordinal }
        guard let header = head?.header else { return }
        clock = max(clock, header.receiveTime.nanoseconds)
    }

    mutating func advance(_ database: ProofDatabase, _ groups: SourceGroups) throws(ToolError) {
        guard let next else { return }
        cursors[next].advance()
        try load(database, groups)
    }
}

extension ProofCursor {
    fileprivate var ordinal: UInt64 { head?.ordinal ?? UInt64.max }
}
