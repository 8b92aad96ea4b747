internal import Foundation
import MarketModel
import NatsTransport
import ServiceRuntime
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport

/// The environment lacks something that the benchmark needs.
struct Unusable: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// A tape, and a database server with one database per turn.
final class Ground {
    static let partitions = TapeNames.defaultPartitions
    /// The size of each stream, which is more than a run writes.
    private static let streamBytes = 4 << 30
    private static let fillSeconds = 300.0

    let nats: NatsServer
    let postgres: PostgresServer
    let client: TapeClient
    private let folder: TemporaryFolder
    private var turns = 0

    init() throws {
        nats = try NatsServer(syncInterval: "2m")
        // The default settings of test servers are unsafe and fast. A measurement has to include
        // the disk.
        postgres = try PostgresServer(settings: [
            "fsync=on", "shared_buffers=512MB", "max_wal_size=8GB", "wal_buffers=16MB",
        ])
        folder = try TemporaryFolder("writer-benchmark")
        guard let names = TapeNames(namespace: "md", partitions: Self.partitions) else {
            throw Unusable("no names")
        }
        let logger = Logger(service: "benchmark", level: .error, format: .text(color: false))
        client = try TapeClient(
            NatsConfiguration(urls: [nats.url], clientName: "benchmark"), names: names,
            telemetry: TelemetryHub(logger: logger, metrics: MetricRegistry()),
            readiness: Readiness())
    }

    deinit { client.close() }

    func file(_ name: String) -> String { folder.file(name) }

    /// Has the shipped gateway put this many ticks of its synthetic market on the tape. The gateway
    /// also makes what the services share.
    func fill(ticks: Int) throws {
        let gateway = try ServerProcess(
            try ProductPrograms.path("provider-gateway"), [],
            environment: [
                "NATS_URL": nats.url, "OPS_PORT": "0", "LOG_FORMAT": "json",
                "MDS_STREAM_BYTES": "\(Self.streamBytes)", "GATEWAY_LIVE": "false",
                "GATEWAY_SPOOL": folder.file("spool"), "SYNTHETIC_TICKS": "\(ticks)",
                "SYNTHETIC_PACE": "full", "SYNTHETIC_RATE": "100000",
                "SYNTHETIC_SYMBOLS": (0..<256).map { "SYM\($0)" }.joined(separator: ","),
            ], logPath: folder.file("gateway.log"))
        let isFull = try eventually(within: Self.fillSeconds) {
            poll(nil, 0, 200)
            guard gateway.isRunning else { return true }
            return try client.jetStream.streamInfo(client.names.tickStream(0)) != nil
                && published() >= ticks
        }
        guard gateway.isRunning else {
            throw Unusable("the gateway ended: \(gateway.log.suffix(600))")
        }
        gateway.stop()
        // Normally an operator makes it.
        try client.ensureBarStream(bytesMax: Int64(Self.streamBytes))
        guard isFull, try published() >= ticks else {
            throw Unusable("the tape was not filled: \(gateway.log.suffix(600))")
        }
    }

    private func published() throws -> Int {
        guard let source = SourceName("synthetic") else { throw Unusable("no names") }
        var ticks = 0
        for number in 0..<Self.partitions {
            let partition = Partition(number)
            let last = try client.lastPacket(
                stream: client.names.tickStream(of: partition),
                subject: client.names.ticks(partition, source))
            ticks += Int(clamping: (last?.header.nextOrdinal ?? 1) - 1)
        }
        return ticks
    }

    /// Makes a database with the shipped schema.
    func database() throws -> Database {
        turns += 1
        let name = "turn_\(turns)"
        try postgres.createDatabase(name)
        let database = Database(name: name, ground: self)
        let migration = try ServerProcess(
            try ProductPrograms.path("store-writer"), ["migrate"],
            environment: database.environment.merging([
                "POSTGRES_MIGRATOR_USER": PostgresServer.user,
                "POSTGRES_MIGRATOR_PASSWORD": PostgresServer.password,
                "WRITER_MIGRATIONS": "\(ServerPrograms.checkout)/deploy/postgres",
            ]) { $1 }, logPath: folder.file("migrate-\(turns).log"))
        guard migration.waitUntilExit() == 0 else {
            throw Unusable("the migration failed: \(migration.log)")
        }
        return database
    }
}

struct Database {
    let name: String
    unowned let ground: Ground

    var environment: [String: String] {
        [
            "NATS_URL": ground.nats.url, "OPS_PORT": "0", "LOG_FORMAT": "json",
            "POSTGRES_PORT": "\(ground.postgres.port)", "POSTGRES_DB": name,
            "POSTGRES_USER": PostgresServer.user, "POSTGRES_PASSWORD": PostgresServer.password,
            "WRITER_HOT_STATE": "false",
        ]
    }

    @discardableResult
    func psql(_ sql: String) throws -> String {
        try ground.postgres.psql("SET search_path TO md; \(sql)", database: name)
    }

    /// Returns the number of committed rows, from the sinks' books, which is fast at any size.
    func written() throws -> Int {
        Int(try psql("SELECT coalesce(sum(written), 0) FROM sink_source_ordinals")) ?? 0
    }

    func drop() throws { try ground.postgres.psql("DROP DATABASE \(name) WITH (FORCE)") }
}
