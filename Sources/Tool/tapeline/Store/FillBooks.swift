import Membership
import PostgresClient
import Primitives
import StoreSinks

/// What a store's database says of itself before rows are copied.
struct FillBooks {
    private static let timeout = Duration.seconds(600)

    /// The server, the database and the schema. Two stores have no equal ones.
    let place: [String?]
    /// The stores whose rows the database has: one, unless it is empty.
    let stores: [String]
    /// When the streams were created that the store reads, by input and partition.
    let streams: [String: String]
    /// The inputs that the store reads.
    let inputs: Set<String>
    /// How many ordinals its own writer dropped, which has a policy for that. They are not filled.
    let dropped: Int64
    let lanes: [FillLane: FillAccount]
    /// The columns of the tables, by name, as statements name them.
    let columns: [String: [String]]

    init(_ database: PostgresConnection, of store: String) throws {
        func rows(_ sql: String, _ values: [PostgresValue] = []) throws -> [[String?]] {
            let found = try database.execute(sql, values, timeout: Self.timeout)
            return (0..<found.rowCount).map { row in
                found.columns.indices.map { found[row, $0] }
            }
        }
        let identity = try database.identity(timeout: Self.timeout)
        place =
            [identity.map { "\($0.system)" }]
            + (try rows("SELECT current_database(), current_schema()").first ?? [])
        stores = try rows("SELECT DISTINCT sink FROM sink_positions ORDER BY 1").compactMap(\.[0])
        streams = try Dictionary(
            rows(
                "SELECT input || '.' || partition, stream_created_ns FROM sink_positions "
                    + "WHERE sink = $1 AND stream_created_ns IS NOT NULL", [.text(store)]
            ).map { ($0[0] ?? "", $0[1] ?? "") }
        ) { $1 }
        inputs = try Set(
            rows("SELECT DISTINCT input FROM sink_positions WHERE sink = $1", [.text(store)])
                .compactMap(\.[0]))
        dropped =
            try rows(
                "SELECT coalesce(sum(last_ordinal - first_ordinal + 1), 0)::bigint FROM gaps "
                    + "WHERE sink = $1 AND ordinal IS NULL AND reason = 'dropped'", [.text(store)]
            ).first?[0].flatMap { Int64($0) } ?? 0
        lanes = try Self.lanes(
            rows(Self.accounts, [.text(store)]), gaps: rows(Self.gaps, [.text(store)]))
        columns = try Dictionary(
            rows(
                """
                SELECT c.relname, string_agg(quote_ident(a.attname), ',' ORDER BY a.attnum)
                FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
                WHERE c.relnamespace = current_schema()::regnamespace AND c.relname = ANY ($1)
                    AND a.attnum > 0 AND NOT a.attisdropped
                GROUP BY 1
                """, [.textArray(FillTable.names)]
            ).map { ($0[0] ?? "", ($0[1] ?? "").split(separator: ",").map(String.init)) }
        ) { $1 }
    }

    init(
        place: [String?], stores: [String], streams: [String: String], inputs: Set<String>,
        lanes: [FillLane: FillAccount], columns: [String: [String]]
    ) {
        self.place = place
        self.stores = stores
        self.streams = streams
        self.inputs = inputs
        dropped = 0
        self.lanes = lanes
        self.columns = columns
    }

    private static let accounts = """
        SELECT a.input, a.partition, a.source, a.first_ordinal, a.last_ordinal,
            a.skipped + a.dead_lettered - a.replayed + a.waiting
                + (SELECT coalesce(sum(r.rows + r.replaced), 0)::bigint FROM retired_rows r
                    WHERE r.partition = a.partition
                        AND (r.source = a.source OR a.input = 'bars'))
        FROM sink_audit a WHERE a.sink = $1
        """
    /// What all tables lack waits for groups that have not read past it, as in `fill_ordinals`.
    private static let gaps = """
        SELECT b.input, b.partition, b.source, b.first_ordinal, b.last_ordinal, b.table_group,
            b.is_waiting OR EXISTS (SELECT FROM apart_groups g
                WHERE (g.sink, g.input, g.partition) = (b.sink, b.input, b.partition)
                    AND (b.table_group IS NOT NULL OR coalesce((SELECT max(s.last_ordinal)
                        FROM jsonb_to_recordset(g.sources) AS s(source text, last_ordinal bigint)
                        WHERE s.source = b.source), 0) < b.last_ordinal))
        FROM book_gaps b
        WHERE b.sink = $1 AND b.reason IN ('hole', 'tape_lost', 'group_hole')
        ORDER BY 1, 2, 3, 4
        """

    private static func lanes(
        _ accounts: [[String?]], gaps: [[String?]]
    ) throws -> [FillLane: FillAccount] {
        func lane(_ row: [String?]) -> FillLane {
            FillLane(
                input: row[0] ?? "", partition: row[1].flatMap { Int64($0) } ?? -1,
                source: row[2] ?? "")
        }
        func number(_ row: [String?], _ column: Int) throws -> Int64 {
            guard let number = row[column].flatMap({ Int64($0) }), number >= 0 else {
                throw ToolError.unreadable("the books of \(lane(row).source) hold no number")
            }
            return number
        }
        var lanes: [FillLane: FillAccount] = [:]
        for row in accounts {
            lanes[lane(row)] = FillAccount(
                first: try number(row, 3), last: try number(row, 4),
                unnamed: try number(row, 5))
        }
        for row in gaps {
            let (first, last) = (try number(row, 3), try number(row, 4))
            guard first <= last else { continue }
            let group = row[5].flatMap { TableGroup(rawValue: $0) }
            if row[6] == "t" {
                lanes[lane(row)]?.waiting += (first...last).size
                if group == nil { lanes[lane(row)]?.unready.append(first...last) }
            } else if let group {
                lanes[lane(row)]?.holes[group, default: []].append(first...last)
            } else {
                lanes[lane(row)]?.gaps.append(first...last)
            }
        }
        return lanes
    }

    /// Returns the lanes of `other` whose ordinals are those of this store, too: both have read the
    /// same stream. Of lanes that this store does not know it returns all.
    func sharedLanes(of other: FillBooks) -> [FillLane: FillAccount] {
        other.lanes.filter { lane, _ in
            lanes[lane] == nil || Self.isShared(lane, streams, other.streams)
        }
    }

    static func isShared(
        _ lane: FillLane, _ own: [String: String], _ others: [String: String]
    ) -> Bool {
        let stream = "\(lane.input).\(lane.partition)"
        return own[stream] != nil && own[stream] == others[stream]
    }

    /// Throws if rows of `other` must not be copied into this store.
    func check(_ command: StoreCommand, _ other: FillBooks) throws(ToolError) {
        for (books, store) in [(self, command.store), (other, command.other)] {
            guard !books.stores.isEmpty else {
                throw .refused("store \(store) has read nothing yet: start it first")
            }
            guard books.stores == [store.text] else {
                throw .refused(
                    "the database that is named for \(store) is that of "
                        + books.stores.joined(separator: ", ")
                        + ": POSTGRES_* names that of \(command.store), FROM_POSTGRES_* that of "
                        + "\(command.other)")
            }
        }
        guard place != other.place else {
            throw .refused("\(command.store) and \(command.other) name one database")
        }
        let common = streams.filter { other.streams[$0.key] != nil }
        guard common.isEmpty || common.contains(where: { other.streams[$0.key] == $0.value })
        else {
            throw .refused("\(command.store) and \(command.other) have read different tapes")
        }
        for (table, names) in columns where !Set(names).isSubset(of: other.columns[table] ?? []) {
            throw .refused(
                "the table \(table) of \(command.other) lacks columns: bring both databases to "
                    + "the same release")
        }
    }
}
