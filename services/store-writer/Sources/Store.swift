import HotState
import ServiceRuntime
import StoreSinks

/// The store of this process: what the sessions of all its workers share. Any thread may call it.
protocol Store: Sendable {
    /// Makes a worker's session, which is not open yet. `owner` is the name under which it claims
    /// positions, `beat` that of the worker's thread.
    func session(owner: String, beat: ThreadBeat) -> any StoreSession

    /// Whether groups of tables may wait apart.
    var keepsGroups: Bool { get }

    /// Makes a session for the tables of one group, which waits apart; `nil` when all tables of the
    /// store have to be written together. It claims nothing, `read` returns the positions of the
    /// group, and `write` advances those. Then `write` of the other sessions leaves out what
    /// `WriteBatch.apart` says.
    func session(of group: TableGroup, owner: String, beat: ThreadBeat) -> (any StoreSession)?

    /// Starts the threads that the store needs beside the workers, and notes them, also when a
    /// later one fails. They end at shutdown.
    func startUpkeep(_ threads: inout [ServiceThread]) throws

    /// Starts the thread that reads the latest values for the hot state; `nil` when the store
    /// cannot be asked for them. `life` is that of a key there.
    func startFilling(_ hot: HotOutput, life: Duration) throws -> ServiceThread?
}

extension Store {
    var keepsGroups: Bool { false }

    func session(of group: TableGroup, owner: String, beat: ThreadBeat) -> (any StoreSession)? {
        nil
    }
}
