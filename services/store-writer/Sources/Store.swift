import Glibc
import MarketModel
import PostgresClient
import Primitives
import ServiceRuntime
import StoreSinks
import TapeCodec

/// The database as one writer thread sees it: claims positions, and writes batches together with
/// the positions behind them.
///
/// After any failure the session is given up and what was in flight is forgotten: the positions in
/// the database say what was written, and the tape has the rest.
final class Store {
    static let connectTimeout = Duration.seconds(5)
    /// Our own deadline for every wait on the server.
    static let statementTimeout = Duration.seconds(30)

    private let settings: WriterSettings
    /// Of no other thread or process: by it a row says that a position was not taken over.
    let owner: String
    private var session: PostgresConnection?

    init(_ settings: WriterSettings, thread: Int) {
        self.settings = settings
        let instance = String(UInt32.random(in: .min ... .max), radix: 36)
        owner = "\(hostName()) \(getpid()).\(thread) \(instance)"
    }

    var isConnected: Bool { session?.isUsable ?? false }

    func close() {
        session?.close()
        session = nil
    }

    /// Connects if it is not connected.
    func connect() throws {
        if isConnected { return }
        close()
        let opened = try PostgresConnection(settings.postgres, timeout: Self.connectTimeout)
        for case let merge? in settings.sinks.sinks.map(\.merge) {
            try opened.execute(merge.makeStaging, timeout: Self.statementTimeout)
        }
        session = opened
    }

    private func required() throws(PostgresError) -> PostgresConnection {
        guard let session else {
            throw .closed(operation: "write", peer: settings.postgres.peer)
        }
        return session
    }

    func claim(_ claims: [SinkClaim]) throws -> [SinkRow] {
        try SinkPosition.claim(
            claims, owner: owner, on: try required(), timeout: Self.statementTimeout)
    }

    func read(_ places: [SinkPlace]) throws -> [SinkRow] {
        try SinkPosition.read(places, on: try required(), timeout: Self.statementTimeout)
    }

    /// Writes rows and positions in one transaction. `positions` get what `settle` makes of the
    /// rows' fate; they travel in one message with COMMIT, so that a writer that is paused while
    /// it writes holds no lock that a successor needs.
    func write(
        _ batch: WriteBatch, settle: (BatchOutcome) -> [SinkPosition]
    ) throws(PostgresError) -> BatchOutcome {
        let database = try required()
        do throws(PostgresError) {
            try database.execute("BEGIN", timeout: Self.statementTimeout)
            let transaction = StoreTransaction(
                database: database, catalogue: settings.sinks, timeout: Self.statementTimeout)
            let outcome = try transaction.copy(batch)
            try database.script(
                Self.advance(settle(outcome)), timeout: Self.statementTimeout)
            return outcome
        } catch {
            rollBack(database)
            throw error
        }
    }

    private func rollBack(_ database: PostgresConnection) {
        guard database.isUsable else {
            close()
            return
        }
        do throws(PostgresError) {
            if database.isInTransaction {
                try database.execute("ROLLBACK", timeout: Self.statementTimeout)
            }
        } catch {
            // The server rolls back by itself when the session ends.
            close()
        }
    }

    /// Of our own numbers and names of `[a-z0-9-]` only; the quotes are doubled all the same.
    private static func advance(_ positions: [SinkPosition]) -> String {
        var json = JSONWriter(capacity: 1_024)
        json.array { json in for position in positions { position.write(into: &json) } }
        let literal = json.text.replacing("'", with: "''")
        return
            "SELECT advance_positions('\(WriterSettings.sink)', '\(literal)'::jsonb); COMMIT"
    }
}

private func hostName() -> String {
    var characters = [CChar](repeating: 0, count: 256)
    guard unsafe gethostname(&characters, 255) == 0 else { return "unknown" }
    let bytes = characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    return String(decoding: bytes, as: UTF8.self)
}
