import DeploymentWatch
import PostgresClient
import Primitives
import ServiceRuntime
import StoreSinks

/// Asks the database.
struct DatabaseLook {
    private static let timeout: Duration = .seconds(10)

    let database: PostgresConnection
    let namespace: String

    func facts() throws -> DatabaseFacts {
        var facts = DatabaseFacts()
        facts.peer = database.peer
        try readServer(&facts)
        try readLedger(&facts)
        guard facts.applied?.isEmpty != true else { return facts }
        try readRights(&facts)
        do throws(PostgresError) {
            facts.profile = try DatabaseProfile.read(on: database, timeout: Self.timeout)
        } catch {
            // Without the right to call the function, a finding says that durability was not seen.
            guard error.category == .schema else { throw error }
        }
        return facts
    }

    private func ask(
        _ sql: String, _ parameters: [PostgresValue] = []
    ) throws(PostgresError) -> PostgresResult {
        try database.execute(sql, parameters, timeout: Self.timeout)
    }

    private func readServer(_ facts: inout DatabaseFacts) throws(PostgresError) {
        let clock = SystemClock()
        let asked = clock.now()
        let time = try ask("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
        let answered = clock.now()
        facts.clock = time.integer(0, 0).flatMap {
            ClockOffset(asked: asked, answered: answered, microseconds: $0)
        }
        let found = try ask(
            """
            SELECT current_user, current_setting('server_version'),
                current_setting('server_version_num')::bigint,
                pg_database_size(current_database()),
                (SELECT count(*) FROM pg_stat_activity),
                current_setting('max_connections')::bigint,
                (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
                current_setting('autovacuum'),
                (SELECT age(datfrozenxid)::bigint FROM pg_database
                    WHERE datname = current_database()),
                (SELECT string_agg(slot_name, ',') FROM pg_replication_slots WHERE NOT active)
            """)
        facts.rights.user = found[0, 0] ?? ""
        facts.version = found[0, 1] ?? ""
        facts.versionNumber = Int(found.integer(0, 2) ?? 0)
        facts.bytes = UInt64(clamping: found.integer(0, 3) ?? 0)
        facts.upkeep.sessions = UInt64(clamping: found.integer(0, 4) ?? 0)
        facts.upkeep.sessionsMax = UInt64(clamping: found.integer(0, 5) ?? 0)
        facts.rights.isSuperuser = found[0, 6] == "t"
        facts.upkeep.autovacuum = found[0, 7] == "on"
        facts.upkeep.transactionAge = found.integer(0, 8) ?? 0
        facts.upkeep.idleSlots = (found[0, 9] ?? "").split(separator: ",").map(String.init)
    }

    private func readLedger(_ facts: inout DatabaseFacts) throws(PostgresError) {
        // The catalogue says what is there even to a user without rights.
        let ledger = try ask(
            """
            SELECT has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = $1 AND c.relname = 'schema_migrations'
            """, [.text(namespace)])
        guard ledger.rowCount > 0 else { return }
        guard ledger[0, 0] == "t" else {
            facts.applied = nil
            return
        }
        let lines = try ask(
            """
            SELECT version, checksum,
                extract(epoch FROM now() - min(applied_at) OVER ())::bigint
            FROM schema_migrations ORDER BY version
            """)
        facts.applied = (0..<lines.rowCount).map { row in
            DatabaseFacts.Migration(
                version: Int(lines.integer(row, 0) ?? 0), checksum: lines[row, 1] ?? "")
        }
        if lines.rowCount > 0, let age = lines.integer(0, 2), age >= 3_600 {
            facts.bytesPerSecond = Double(facts.bytes) / Double(age)
        }
    }

    private func readRights(_ facts: inout DatabaseFacts) throws(PostgresError) {
        let rights = try ask(
            """
            SELECT string_agg(c.oid::regclass::text, ',' ORDER BY c.relname) FILTER (
                    WHERE n.nspname = $1 || '_market' AND c.relkind = 'v'
                        AND NOT (has_schema_privilege(n.oid, 'USAGE')
                            AND has_table_privilege(c.oid, 'SELECT'))),
                bool_or(n.nspname = $1 AND c.relkind IN ('r', 'p')
                    AND has_table_privilege(c.oid, 'DELETE, TRUNCATE'))
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname IN ($1, $1 || '_market')
            """, [.text(namespace)])
        facts.rights.unreadable = (rights[0, 0] ?? "").split(separator: ",").map(String.init)
        facts.rights.mayDelete = rights[0, 1] == "t"
    }

    // MARK: files

    /// Returns the migrations of this release, or `nil` if the folder has none.
    static func migrations(in folder: String) throws(ToolError) -> [DatabaseFacts.Migration]? {
        var found: [DatabaseFacts.Migration] = []
        for name in FileSystem.names(in: "\(folder)/migrations") where name.hasSuffix(".sql") {
            guard let version = Int(name.prefix { $0 != "_" }),
                let text = try FileSystem.read("\(folder)/migrations/\(name)")
            else { continue }
            let sum = Checksum.of(String(decoding: text, as: UTF8.self))
            let digits = String(sum, radix: 16)
            found.append(
                DatabaseFacts.Migration(
                    version: version,
                    checksum: String(repeating: "0", count: max(0, 16 - digits.count)) + digits))
        }
        return found.isEmpty ? nil : found
    }
}
