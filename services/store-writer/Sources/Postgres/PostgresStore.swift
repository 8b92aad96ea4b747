import HotState
import ServiceRuntime
import TapeTransport

/// A PostgreSQL database as the store, with TimescaleDB or without.
struct PostgresStore: Store {
    let settings: WriterSettings
    let context: ServiceContext
    let letters: DeadLetterOutput
    /// Decides which of several servers is used.
    let fence: ServerFence

    func session(owner: String, beat: ThreadBeat) -> any StoreSession {
        PostgresSession(settings, owner: owner, letters: letters, fence: fence, beat: beat)
    }

    func startUpkeep(_ threads: inout [ServiceThread]) throws {
        threads.append(try Maintenance.start(settings, fence, context: context))
        threads.append(try ServerWatch.start(settings, fence, context: context))
    }

    func startFilling(_ hot: HotOutput, life: Duration) throws -> ServiceThread? {
        try HotFiller.start(settings, hot, life: life, context: context)
    }
}
