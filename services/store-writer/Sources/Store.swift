import HotState
import ServiceRuntime

/// The store of this process: what the sessions of all its workers share. Any thread may call it.
protocol Store: Sendable {
    /// Makes a worker's session, which is not open yet. `owner` is the name under which it claims
    /// positions, `beat` that of the worker's thread.
    func session(owner: String, beat: ThreadBeat) -> any StoreSession

    /// Starts the threads that the store needs beside the workers, and notes them, also when a
    /// later one fails. They end at shutdown.
    func startUpkeep(_ threads: inout [ServiceThread]) throws

    /// Starts the thread that reads the latest values for the hot state; `nil` when the store
    /// cannot be asked for them. `life` is that of a key there.
    func startFilling(_ hot: HotOutput, life: Duration) throws -> ServiceThread?
}
