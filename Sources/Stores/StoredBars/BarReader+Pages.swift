package import MarketModel
package import PostgresClient
package import Primitives

// Pages of neighbouring bars, and which bars there are.
extension BarReader {
    /// Symbols whose newest bar is older are not listed, unless all are.
    private static let recentNanoseconds: Int64 = 7 * 86_400_000_000_000
    /// The sources of a series are those of its so many oldest, newest and next bars.
    private static let seenBars = 200

    /// Returns the time as tables sort by it: in microseconds.
    private static func stored(_ time: Timestamp) -> Timestamp {
        time.floored(toNanoseconds: 1_000)
    }

    /// Returns a page that begins at a time, or the newest one if there is none.
    package func page(
        _ symbol: Symbol, _ source: SourceName, _ series: SeriesName, from: Timestamp?
    ) throws(PostgresError) -> BarPage {
        let key = Self.series(symbol, source, series)
        let order = from == nil ? "DESC" : "ASC"
        let rows = try run(
            """
            SELECT \(Self.rowColumns) FROM bars
            WHERE \(Self.isSeries)\(from == nil ? "" : " AND ts >= $4")
            ORDER BY ts \(order), number \(order) LIMIT \(BarPage.barsMax + 1)
            """, key + (from.map { [.timestamp($0)] } ?? []))
        var found = (0..<rows.rowCount).compactMap { Self.row(rows, $0, symbol, source, series) }
        var page = BarPage()
        if from != nil, found.count > BarPage.barsMax {
            page.later = found.last.map { Self.stored($0.identity.openTime) }
        }
        found = Array(found.prefix(BarPage.barsMax))
        if from == nil { found.reverse() }
        page.items = found.map { BarPage.Item(row: $0) }
        let first = found.first?.identity.openTime ?? from
        if let first { page.earlier = try earlier(than: first, key) }
        try addReplaced(key, to: &page)
        return page
    }

    /// Returns where the page before a time begins. `nil` if there are no bars before it.
    private func earlier(
        than time: Timestamp, _ key: [PostgresValue]
    ) throws(PostgresError) -> Timestamp? {
        let rows = try run(
            """
            SELECT min(ts) FROM (SELECT ts FROM bars WHERE \(Self.isSeries) AND ts < $4
                ORDER BY ts DESC, number DESC LIMIT \(BarPage.barsMax)) AS before
            """, key + [.timestamp(time)])
        return rows.rowCount > 0 ? rows.timestamp(0, 0) : nil
    }

    private func addReplaced(
        _ key: [PostgresValue], to page: inout BarPage
    ) throws(PostgresError) {
        let items = page.items
        guard items.contains(where: { $0.row.replaced > 0 }),
            let first = items.first?.row.identity.openTime,
            let last = items.last?.row.identity.openTime
        else { return }
        let rows = try run(
            """
            SELECT \(Self.versionColumns), ts, number FROM replaced_bars
            WHERE \(Self.isSeries) AND ts >= $4 AND ts <= $5
            ORDER BY ts DESC, number DESC, revision DESC LIMIT \(BarPage.versionsMax + 1)
            """, key + [.timestamp(first), .timestamp(last)])
        page.lacksVersions = rows.rowCount > BarPage.versionsMax
        var places: [Place: Int] = [:]
        for (index, item) in items.enumerated() {
            places[Place(item.row.identity)] = index
        }
        for row in (0..<min(rows.rowCount, BarPage.versionsMax)).reversed() {
            guard let version = Self.version(rows, row), let time = rows.timestamp(row, 12),
                let index = places[Place(time: time, number: rows.integer(row, 13) ?? 0)]
            else { continue }
            page.items[index].replaced.append(version)
        }
    }

    /// A bar's place in its series, by the time that the tables sort by.
    private struct Place: Hashable {
        let time: Timestamp
        let number: Int64

        init(time: Timestamp, number: Int64) {
            self.time = time
            self.number = number
        }

        init(_ bar: BarIdentity) {
            self.init(time: BarReader.stored(bar.openTime), number: bar.number)
        }
    }

    // MARK: choices

    /// Returns the symbols from a text on, and which bars the symbol of that name has: at the ends
    /// of its series, and from a time on. `now` is the wall clock's time.
    package func choices(
        _ text: String, from: Timestamp?, now: Timestamp
    ) throws(PostgresError) -> BarChoices {
        var choices = BarChoices()
        let recent = now.advanced(byNanoseconds: -Self.recentNanoseconds)
        var symbols = try symbols(from: text, since: recent)
        if symbols.isEmpty, text.isEmpty {
            symbols = try self.symbols(from: text, since: Timestamp(nanoseconds: .min))
        }
        choices.hasMoreSymbols = symbols.count > BarChoices.symbolsMax
        choices.symbols = Array(symbols.prefix(BarChoices.symbolsMax))
        let wanted = text.isEmpty ? choices.symbols.first ?? "" : text
        if !wanted.isEmpty { choices.offers = try offers(wanted, from: from ?? recent) }
        return choices
    }

    /// One symbol after the other by the index. A scan would read all bars.
    private func symbols(
        from text: String, since: Timestamp
    ) throws(PostgresError) -> [String] {
        let rows = try run(
            """
            WITH RECURSIVE known AS (
                (SELECT symbol, 1 AS place FROM bars WHERE symbol >= $1 AND ts >= $2
                    ORDER BY symbol LIMIT 1)
                UNION ALL
                SELECT (SELECT b.symbol FROM bars b
                    WHERE b.symbol > known.symbol AND b.ts >= $2
                    ORDER BY b.symbol LIMIT 1), place + 1
                FROM known WHERE known.symbol IS NOT NULL AND place <= \(BarChoices.symbolsMax)
            )
            SELECT symbol FROM known WHERE symbol IS NOT NULL
            """, [.text(text), .timestamp(since)])
        return (0..<rows.rowCount).compactMap { rows.text($0, 0) }
    }

    private func offers(
        _ symbol: String, from: Timestamp
    ) throws(PostgresError) -> [BarChoices.Offer] {
        let rows = try run(
            """
            SELECT s.series, o.source FROM bar_series s CROSS JOIN LATERAL (
                SELECT DISTINCT e.source FROM (
                    (SELECT source FROM bars WHERE symbol = $1 AND series = s.series
                        ORDER BY ts DESC LIMIT \(Self.seenBars))
                    UNION ALL
                    (SELECT source FROM bars WHERE symbol = $1 AND series = s.series
                        ORDER BY ts LIMIT \(Self.seenBars))
                    UNION ALL
                    (SELECT source FROM bars WHERE symbol = $1 AND series = s.series AND ts >= $2
                        ORDER BY ts LIMIT \(Self.seenBars))
                ) AS e
            ) AS o
            ORDER BY 1, 2 LIMIT \(BarChoices.offersMax)
            """, [.text(symbol), .timestamp(from)])
        return (0..<rows.rowCount).compactMap { row in
            guard let series = rows.text(row, 0), let source = rows.text(row, 1) else {
                return nil
            }
            return BarChoices.Offer(series: series, source: source)
        }
    }
}
