package import ServiceRuntime
internal import Synchronization

/// The one thread of a provider, with the orders to it and what it reports. The gateway's threads
/// use this class.
package final class ProviderThread<Report: Sendable>: Sendable {
    private struct Running: Sendable {
        let thread: ServiceThread
        let report: Report
    }

    package let inbox = ProviderInbox()
    /// `nil` before `start`.
    private let running = Mutex<Running?>(nil)

    package init() {}

    /// `nil` before `start`.
    package var report: Report? { running.withLock { $0?.report } }

    /// Starts the thread, whose beat has the name `beat`. Names are looked up and requests are made
    /// on other threads, so it never waits for long.
    package func start(
        _ name: String, beat: String, _ threads: ThreadWatch, _ report: Report,
        _ body: sending @escaping (ThreadBeat) -> Void
    ) throws {
        let thread = try ServiceThread(name: name) {
            let beat = threads.thread(beat)
            defer { beat.retire() }
            body(beat)
        }
        running.withLock { $0 = Running(thread: thread, report: report) }
    }

    /// Returns whether the thread has ended within `timeout`.
    package func stop(within timeout: Duration) -> Bool {
        inbox.stop()
        return running.withLock { $0?.thread }?.join(timeout: timeout) ?? true
    }
}
