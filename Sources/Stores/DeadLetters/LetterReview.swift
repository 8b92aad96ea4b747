internal import MarketModel
package import PostgresClient
internal import Primitives
internal import StoreSinks
internal import TapeTransport

/// Says what a replay would do with letters, by reading alone. The role of the session may change
/// nothing, so a row is never tried: whether the database refuses it again stays open. `tapeline
/// dlq replay --dry-run` tries it.
package struct LetterReview {
    /// What would become of a letter.
    package enum Outlook: Equatable, Sendable {
        case certain(LetterFate)
        /// A replay would try to make the row.
        case tried

        /// The name for programs and for counting.
        package var word: String {
            switch self {
            case .certain(let fate): fate.word
            case .tried: "tried"
            }
        }

        /// What a person reads after the id of the letter.
        package var sentence: String {
            switch self {
            case .certain(let fate): fate.sentence
            case .tried: "would be tried, and stored unless the database refuses it again"
            }
        }
    }

    /// Executes a statement on a session that may read the tables of the writer.
    package typealias Ask = (String, [PostgresValue]) throws(PostgresError) -> PostgresResult

    private let ask: Ask
    /// The fates of letters in states of the books in which no row may be made.
    private static let unsettled: [String: LetterFate] = ["ahead": .ahead, "missing": .missing]

    /// `ask` is called for each letter that is not decided without the database.
    package init(_ ask: @escaping Ask) { self.ask = ask }

    /// Returns what a replay would do with one letter now. Blocks.
    package func outlook(_ claim: LetterClaim) throws(PostgresError) -> Outlook {
        if let decided = claim.decided { return .certain(decided) }
        guard let row = claim.row else { return .certain(.undecodable) }
        let sink = LetterClaim.catalogue.sinks[row.sink]
        let found = try ask(sink.review(symbol: claim.symbol), parameters(claim, row, sink))
        guard found.rowCount == 1 else { return .certain(.unknown) }
        guard found[0, 0] == "settled" else {
            return .certain(Self.unsettled[found[0, 0] ?? ""] ?? .unknown)
        }
        if found[0, 1] == "t" { return .certain(.retired) }
        return found[0, 2] == "t" ? .certain(.present) : .tried
    }

    /// The values of the statement, in the order of `Sink.reviewColumns` and of what follows it.
    private func parameters(
        _ claim: LetterClaim, _ row: LetterClaim.Row, _ sink: Sink
    ) -> [PostgresValue] {
        let place = claim.place
        let hasSymbol = !claim.symbol.isEmpty && sink.copyColumns.contains("symbol")
        return [
            .text(claim.owner), .text(place.input), .text(place.source.text),
            .integer(Int64(place.partition.number)),
            .integer(Int64(bitPattern: place.ordinal)), .timestamp(row.time),
            .timestamp(row.received), row.series.map { .text($0) } ?? .null, .bool(row.isLong),
        ] + (hasSymbol ? [.text(claim.symbol)] : [])
    }
}

extension Sink {
    /// The columns of the tick, by which parameter each is given.
    private static let reviewColumns = [
        "sink": "$1", "input": "$2", "source": "$3", "partition": "$4", "ordinal": "$5",
        "ts": "$6",
    ]

    /// Returns the statement that says of a letter: its state in the books, whether retention has
    /// dropped its time, and whether its row is there. All parameters have their types here, as
    /// some of them are not used by every sink.
    fileprivate func review(symbol: String) -> String {
        """
        SELECT replay_state($1::text, $2::text, $4::bigint::integer, $3::text, $5::bigint,
                '\(TableGroup(of: name).rawValue)'),
            is_retired(\(retiredTable), $6::timestamptz, $7::timestamptz),
            \(presentTables.map { isThere($0, symbol) }.joined(separator: " OR "))
        """
    }

    /// Bars are in one of two tables, by their series.
    private var retiredTable: String {
        guard merge != nil, tables.count > 1 else {
            return "CASE WHEN $8::text IS NULL OR $9::boolean THEN '\(copyTarget)' END"
        }
        return """
            CASE WHEN coalesce((SELECT s.is_long FROM bar_series s WHERE s.series = $8::text),
                $9::boolean) THEN '\(tables[1])' ELSE '\(tables[0])' END
            """
    }

    /// A version of a bar is in the table of bars, or in that of replaced versions.
    private var presentTables: [String] {
        merge == nil ? [name.rawValue] : [name.rawValue] + tables.dropFirst(2)
    }

    private func isThere(_ table: String, _ symbol: String) -> String {
        // The column `source` of a bar is that of its ticks.
        let tick =
            merge == nil
            ? sameTick { Self.reviewColumns[$0] ?? "NULL" }
            : "t.partition = $4 AND t.ordinal = $5 AND t.ts = $6"
        let same =
            !copyColumns.contains("symbol")
            ? "" : symbol.isEmpty ? " AND t.symbol IS NULL" : " AND t.symbol = $10"
        return "EXISTS (SELECT FROM \(table) t WHERE \(tick)\(same))"
    }
}
