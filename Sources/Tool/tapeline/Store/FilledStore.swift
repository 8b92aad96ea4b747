import MarketModel
import Membership
import NatsTransport
import Primitives
import StoreSinks
import TapeKeeping
import TapeProtocol
import TapeTransport

/// A store that is filled and none of PostgreSQL: its server, and its records in NATS.
struct FilledStore {
    let store: GroupName
    let server: any FilledServer
    let records: any FilledRecords
    let partitions: Int

    init(
        _ store: GroupName, _ server: any FilledServer, _ records: any FilledRecords,
        partitions: Int
    ) {
        self.store = store
        self.server = server
        self.records = records
        self.partitions = partitions
    }

    init(_ store: GroupName, _ tape: TapeClient, _ server: any FilledServer) throws {
        let bucket = try tape.jetStream.openOrMakeBucket(GroupRegistry.configuration(tape.names))
        self.init(
            store, server, BucketRecords(bucket: bucket),
            partitions: tape.names.universe.number + 1)
    }

    /// What is read of the store's record for one input of a partition.
    struct Kept {
        var store = ""
        /// The database that has the rows, as the server names it.
        var database = ""
        var streamCreated: Int64 = 0
        /// By source.
        var accounts: [String: FillAccount] = [:]
        /// Ordinals that the next batch names, by source.
        var owed: [String: [ClosedRange<Int64>]] = [:]

        /// Whether its rows are in this database.
        func isIn(_ database: String) -> Bool { self.database == database }

        /// `nil`: it is no such record.
        init?(_ json: JSONValue) throws(VersionedJSON.Refusal) {
            guard let text = json["mark"]?.string, let database = json["database"]?.string
            else { return nil }
            self.database = database
            let mark = try VersionedJSON.read(Array(text.utf8), upTo: 1)
            guard let name = mark["store"]?.string else { return nil }
            store = name
            for entry in json["owed"]?.array ?? [] {
                guard let source = entry["source"]?.string,
                    let ranges = OrdinalRuns.ranges(in: entry)
                else { return nil }
                owed[source, default: []] += ranges.map {
                    Int64(clamping: $0.lowerBound)...Int64(clamping: $0.upperBound)
                }
            }
            guard let position = mark["position"]?.array?.first else { return }
            streamCreated = Int64(position["stream_created_ns"]?.int ?? 0)
            for account in position["sources"]?.array ?? [] {
                guard let source = account["source"]?.string,
                    let first = account["first_ordinal"]?.int,
                    let last = account["last_ordinal"]?.int,
                    let skipped = account["skipped"]?.int,
                    let letters = account["dead_lettered"]?.int
                else { return nil }
                accounts[source] = FillAccount(
                    first: Int64(first), last: Int64(last), unnamed: Int64(skipped + letters))
            }
        }
    }

    /// Throws unless the store's rows are in this database: those of another store would be there
    /// twice.
    func check(_ kept: Kept, isIn database: String) throws(ToolError) {
        guard !kept.isIn(database) else { return }
        throw .refused(
            "the rows of \(store) are in another database than that of \(server.settingNames) at "
                + "\(server.peer): name the one of its writers")
    }

    private func kept(_ input: String, _ partition: Int) throws -> Kept? {
        let key = "\(store).intents.\(input).\(partition)"
        guard let entry = try records.get(key) else { return nil }
        guard let kept = try Kept(VersionedJSON.read(entry.value, upTo: 1)) else {
            throw ToolError.unreadable("\(key) in NATS is no record of a store")
        }
        return kept
    }

    // MARK: books

    /// What a store has and lacks.
    struct Books {
        /// The stores whose records they are: one, unless there are none.
        var stores: Set<String> = []
        var streams: [String: String] = [:]
        var inputs: Set<String> = []
        var lanes: [FillLane: FillAccount] = [:]
        var database = ""
    }

    /// Reads what the store has and lacks. `other` has the names of columns as the statements of
    /// PostgreSQL have them.
    func books(like other: FillBooks) throws -> FillBooks {
        let own = try books()
        return FillBooks(
            place: [server.kind, own.database], stores: own.stores.sorted(), streams: own.streams,
            inputs: own.inputs, lanes: own.lanes, columns: try columns(like: other))
    }

    /// Reads what the store has and lacks.
    func books() throws -> Books {
        var books = Books(database: try server.identity())
        var owed: [FillLane: [ClosedRange<Int64>]] = [:]
        for input in ["ticks", "bars"] {
            for partition in 0..<partitions {
                guard let kept = try kept(input, partition) else { continue }
                try check(kept, isIn: books.database)
                books.stores.insert(kept.store)
                guard kept.streamCreated != 0 else { continue }
                books.inputs.insert(input)
                books.streams["\(input).\(partition)"] = "\(kept.streamCreated)"
                for (source, account) in kept.accounts {
                    let lane = FillLane(input: input, partition: Int64(partition), source: source)
                    books.lanes[lane] = account
                    owed[lane] = kept.owed[source]
                }
            }
        }
        // After the records: the writer may name meanwhile what it owed there.
        let named = try server.named()
        for (lane, account) in books.lanes {
            books.lanes[lane] = account.with(named[lane] ?? Named(), owed: owed[lane] ?? [])
        }
        return books
    }

    private func columns(like other: FillBooks) throws(ToolError) -> [String: [String]] {
        var columns: [String: [String]] = [:]
        for (name, table) in FilledTable.all {
            let own = Set(table.columns.map(\.name))
            let found = (other.columns[name] ?? []).filter {
                own.contains($0.replacing("\"", with: ""))
            }
            // PostgreSQL has the time of ticks elsewhere (`FillSource`).
            guard Set(found).union([Sink.takenAt]).count == own.count else {
                throw .refused(
                    "the table \(name) lacks columns that \(store) has: bring both stores to the "
                        + "same release")
            }
            columns[name] = found
        }
        return columns
    }

    /// What the tables name of a lane.
    struct Named {
        var gaps: [ClosedRange<Int64>] = []
        /// What was copied, and of that what the other store lacked, too.
        var filled: [ClosedRange<Int64>] = []
        var lacking: [ClosedRange<Int64>] = []

        mutating func addCopied(_ range: ClosedRange<Int64>, rows: Int64) {
            if rows == 0 { lacking.append(range) } else { filled.append(range) }
        }
    }

    /// Throws when there are rows for a table that is not there.
    func requireTables(of rows: [FillRows]) throws(ToolError) {
        guard let problem = Self.problem(of: rows, server.present, store) else { return }
        throw .refused(problem)
    }

    /// Returns why these rows cannot be copied; `nil`: they can. Pure.
    static func problem(
        of rows: [FillRows], _ present: Set<String>, _ store: GroupName
    ) -> String? {
        let missing = rows.filter { !$0.rows.isEmpty }.compactMap {
            FilledTable.all[$0.table.name]?.name
        }.filter { !present.contains($0) }
        guard !missing.isEmpty else { return nil }
        return "\(store) has no table \(Set(missing).sorted().joined(separator: ", ")), and there "
            + "are rows for it: run 'store-writer migrate' for \(store) once with all STORE_TABLES"
    }
}

extension FillAccount {
    /// Returns the account with what the tables name, and what the next batch will name if they do
    /// not name it yet. Pure.
    func with(_ named: FilledStore.Named, owed: [ClosedRange<Int64>]) -> FillAccount {
        var account = self
        let filled = named.filled.joinedRanges
        // The beginning is filled from its end on.
        let beginning = (filled + named.lacking).joinedRanges.first { $0.contains(first - 1) }
        account.first = min(first, beginning?.lowerBound ?? first)
        account.gaps = (named.gaps + named.lacking).joinedRanges.flatMap { $0.without(filled) }
            .compactMap { $0.common(1...max(1, last)) }
        let gaps = named.gaps.joinedRanges
        account.unready = owed.joinedRanges.flatMap { $0.without(gaps) }
        account.waiting = account.unready.reduce(0) { $0 + $1.size }
        return account
    }
}

extension [ClosedRange<Int64>] {
    /// The same ordinals in ranges that ascend and do not touch.
    var joinedRanges: [ClosedRange<Int64>] {
        sorted { $0.lowerBound < $1.lowerBound }.reduce(into: []) { merged, range in
            if let last = merged.last, range.lowerBound <= last.upperBound + 1 {
                merged[merged.count - 1] =
                    last.lowerBound...Swift.max(last.upperBound, range.upperBound)
            } else {
                merged.append(range)
            }
        }
    }
}
