import HotState
import ServiceRuntime
import StoreSinks
import TapeTransport

extension StoreKind {
    static let postgres = StoreKind(
        name: "postgres", isNeeded: true, keys: PostgresSettings.keys,
        rules: PostgresSettings.rules,
        migrate: { try MigrateCommand(context: $0).run() },
        make: { PostgresStore($0) })
}

/// A PostgreSQL database as the store, with TimescaleDB or without.
struct PostgresStore: Store {
    let writer: WriterSettings
    let settings: PostgresSettings
    let context: ServiceContext
    let letters: DeadLetterOutput
    /// Decides which of several servers is used.
    let fence: ServerFence

    init(_ parts: StoreKind.Context) {
        writer = parts.settings
        settings = PostgresSettings(parts.service.configuration)
        context = parts.service
        letters = parts.letters
        fence = ServerFence(parts.client, of: writer.store, parts.service.telemetry)
    }

    func session(owner: String, beat: ThreadBeat) -> any StoreSession {
        PostgresSession(self, owner: owner, beat: beat)
    }

    var keepsGroups: Bool { true }

    func session(of group: TableGroup, owner: String, beat: ThreadBeat) -> (any StoreSession)? {
        PostgresSession(self, owner: owner, beat: beat, group: group)
    }

    func startUpkeep(_ threads: inout [ServiceThread]) throws {
        threads.append(try Maintenance.start(settings, fence, context: context))
        threads.append(try ServerWatch.start(settings, fence, context: context))
    }

    func startFilling(_ hot: HotOutput, life: Duration) throws -> ServiceThread? {
        try HotFiller.start(self, hot, life: life)
    }
}
