import Foundation
import TestSupport
import Testing

@testable import StoreWriter

/// The three databases on which the schema runs.
enum DatabaseMode: String, CaseIterable, Sendable {
    case plain
    case apache
    case community

    /// The databases that are available here. The Community edition is never shipped; a separate
    /// test reports if it is missing.
    static var here: [DatabaseMode] {
        PostgresServer.Edition.hasCommunity ? allCases : [.plain, .apache]
    }

    /// The databases of a test that says the same of each, with the same statements: at night those
    /// that are available here, else the one that is shipped.
    static let usual =
        ProcessInfo.processInfo.environment["TAPELINE_TIER"] == "night" ? here : [.apache]

    /// The name that `store_mode()` returns.
    var name: String { self == .plain ? "plain" : "timescaledb-\(rawValue)" }

    func server() throws -> PostgresServer {
        try PostgresServer.shared(self == .community ? .community : .apache)
    }
}

extension TestDatabase {
    init(_ name: String, schema: String = "md", mode: DatabaseMode) throws {
        try self.init(
            "\(name)_\(mode)", schema: schema, timescale: mode != .plain, server: mode.server())
    }

    private init(existing name: String, _ schema: String, _ server: PostgresServer) throws {
        self.server = server
        self.name = name
        self.schema = try #require(SchemaName(schema))
    }

    /// Makes a database that is as if it had been migrated, in less time: a copy. It is for tests
    /// whose subject is not the migration.
    static func migrated(
        _ name: String, schema: String = "md", timescale: Bool = false,
        server: PostgresServer? = nil
    ) throws -> TestDatabase {
        let server = try server ?? PostgresServer.shared()
        try server.createMigrated(name, schema: schema, timescale: timescale) { template in
            try TestDatabase(existing: template, template, server).migrate()
        }
        return try TestDatabase(existing: name, schema, server)
    }

    static func migrated(
        _ name: String, schema: String = "md", mode: DatabaseMode
    ) throws -> TestDatabase {
        try migrated(
            "\(name)_\(mode)", schema: schema, timescale: mode != .plain, server: mode.server())
    }

    /// Inserts trades a second apart from `start`. They were received then, or at `received`.
    func insertTrades(
        _ count: Int, from start: String, ordinal: Int = 1, received: String? = nil
    ) throws {
        try psql(
            """
            INSERT INTO trades (ts, event_time_ns, symbol, price, size, receive_time,
                receive_time_ns, source, partition, epoch, ordinal)
            SELECT \(start) + (n - 1) * interval '1 second', n, 'A', 1, 1,
                coalesce(\(received ?? "NULL"), \(start)), 1, 's', 0, 1, \(ordinal) + n - 1
            FROM generate_series(1, \(count)) AS n
            """)
    }
}
