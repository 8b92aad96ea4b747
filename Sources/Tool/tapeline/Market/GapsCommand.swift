import MarketModel
import PostgresClient
import ServiceRuntime

/// `tapeline gaps`: the ticks missing now, a line per stretch of time.
struct GapsCommand: ToolCommand {
    var target = TapeTarget()
    var symbols: [Symbol] = []
    /// `nil` means all sources.
    var source: SourceName?
    var last = 100
    var asJSON = false

    static let lastRange = 1...10_000

    static let page = CommandPage(
        "gaps", .data, "what is missing now", also: [.csv, .source],
        """
        gaps [SYMBOL...]
            what is missing now, a line per stretch of time (of an outage one for all partitions):
            open, being filled from the provider's history, or abandoned; what the books name as
            lost, without a time; and when feeds began, as bars of that moment are partial without a
            gap. 1: nothing of a symbol is stored
        --last N
            the newest ones (100)
        --json
            an object per line; of what the books name with the state 'books'
        $ tapeline gaps
        $ tapeline gaps AAPL --source ibkr --json
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> GapsCommand {
        var command = GapsCommand(target: try TapeTarget(given))
        command.symbols = try given.symbols()
        command.source = try given.source()
        command.last = try given.integer("--last", in: lastRange) ?? command.last
        command.asJSON = given.asJSON
        return command
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        let market = try MarketSession(tool.deployment(target))
        try market.requireKnown(symbols)
        if asJSON {
            return try MarketSession.show(on: tool.terminal) { selected throws(ToolError) in
                try all(selected, market)
            }
        }
        let columns = [
            "coalesce(symbol, '\(GapLines.all)')", "kind", MarketSession.shown("from_time"),
            "coalesce(\(MarketSession.shown("to_time")), '\(GapLines.lasts)')",
            "round(extract(epoch FROM missing), 1)", "state", "reason", "source", "partition",
            "extract(epoch FROM from_time)", "extract(epoch FROM from_time + missing)",
        ]
        let rows = try newest(columns.joined(separator: ", "), market).rows
        if rows.isEmpty {
            tool.terminal.line("no gap is on record")
        } else {
            let head = ["SYMBOL", "KIND", "FROM", "TO", "SECONDS", "STATE", "REASON", "SOURCE"]
            for line in TextTable.lines([head] + GapLines.merged(rows), numbers: [4]) {
                tool.terminal.line(line)
            }
            if rows.count == last { tool.terminal.line("the newest \(last): --last shows more") }
        }
        for line in try lost(market) + beginnings(market) { tool.terminal.line(line) }
        return .success
    }

    /// Returns a line for what the store lacks of each source: ordinals without a row, or without
    /// those of a group of tables. They have no time and no symbol.
    private func lost(_ market: borrowing MarketSession) throws(ToolError) -> [String] {
        try market.rows(
            """
            SELECT source, input, partition, ordinals, table_group, reason
            FROM (\(Self.lost(in: market.namespace))) AS b ORDER BY 1, 2, 3, 5, 6
            """, filters
        ).map { row in
            "\(row[1] ?? "-") of \(row[0] ?? "-") in partition \(row[2] ?? "-"): "
                + "\(row[3] ?? "-") ordinals without rows"
                + (row[4].map { " in the tables of \($0)" } ?? "") + " (\(row[5] ?? "-")), which "
                + "'tapeline store fill' copies from another store that has them"
        }
    }

    /// What the books name as lost, of the sources that are asked for. It has no symbol.
    private static func lost(in namespace: String) -> String {
        """
        SELECT source, input, partition, sum(last_ordinal - first_ordinal + 1) AS ordinals,
            table_group, reason, max(noted_at) AS noted_at
        FROM "\(namespace)".book_gaps
        WHERE reason IN ('tape_lost', 'hole', 'group_hole')
            AND (cardinality($1::text[]) >= 0 AND $2::text IS NULL OR source = $2)
        GROUP BY source, input, partition, table_group, reason
        """
    }

    /// Returns a line for each source whose feeds began lately. Of what was before, nobody knows
    /// that it is missing, so there is no gap, and bars of that moment are partial.
    private func beginnings(_ market: borrowing MarketSession) throws(ToolError) -> [String] {
        try market.rows(
            """
            SELECT source, count(DISTINCT symbol), \(MarketSession.shown("max(ts)"))
            FROM "\(market.namespace)".events
            WHERE name = 'subscription' AND ts >= now() - interval '1 day'
                AND detail->>'action' IS DISTINCT FROM 'stop'
                AND detail->>'mode' IS DISTINCT FROM 'historical'
                AND (cardinality($1::text[]) = 0 OR symbol = ANY ($1::text[]))
                AND ($2::text IS NULL OR source = $2)
            GROUP BY source ORDER BY source
            """, filters
        ).map { row in
            let symbols = row[1] == "1" ? "1 symbol" : "\(row[1] ?? "-") symbols"
            return "feeds of \(row[0] ?? "-") began for \(symbols) in the last day, the last at "
                + "\(row[2] ?? "-"): bars of such a moment are partial without a gap "
                + "('tapeline explain' says it of a bar)"
        }
    }

    private var filters: [PostgresValue] {
        [.textArray(symbols.map(\.text)), source.map { PostgresValue.text($0.text) } ?? .null]
    }

    /// Returns the newest gaps, oldest first, and after them what the books name as lost: the same
    /// as the table and the lines below it, in the columns of both.
    private func all(
        _ columns: String, _ market: borrowing MarketSession
    ) throws(ToolError) -> MarketSession.Page {
        try market.page(
            """
            SELECT \(columns) FROM (
                (SELECT *, NULL AS input, NULL::numeric AS ordinals, NULL AS table_group
                FROM open_gaps
                WHERE (cardinality($1::text[]) = 0 OR symbol = ANY ($1::text[]) OR symbol IS NULL)
                    AND ($2::text IS NULL OR source = $2)
                ORDER BY from_time DESC, symbol, kind LIMIT $3)
                UNION ALL
                SELECT source, NULL, NULL, NULL, NULL, NULL, 'books', reason, '', noted_at,
                    partition, input, ordinals, table_group
                FROM (\(Self.lost(in: market.namespace))) AS b
            ) AS r ORDER BY from_time NULLS LAST, symbol, kind, source, input, partition,
                table_group, reason
            """,
            filters + [.integer(Int64(last))])
    }

    /// Returns the newest gaps, oldest first.
    private func newest(
        _ columns: String, _ market: borrowing MarketSession
    ) throws(ToolError) -> MarketSession.Page {
        try market.page(
            """
            SELECT \(columns) FROM (
                SELECT * FROM open_gaps
                WHERE (cardinality($1::text[]) = 0 OR symbol = ANY ($1::text[]) OR symbol IS NULL)
                    AND ($2::text IS NULL OR source = $2)
                ORDER BY from_time DESC, symbol, kind LIMIT $3
            ) AS r ORDER BY from_time, symbol, kind
            """,
            filters + [.integer(Int64(last))])
    }
}
