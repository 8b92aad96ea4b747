import Primitives
import ServiceRuntime
import Synchronization

/// A TWS for one client, on a thread of its own: a simulator whose market stands still answers the
/// requests, and a script that was made before is sent to the millisecond. A part of it is one
/// write, so the sender takes little of the machine on which its receiver is measured.
final class Broker: Sendable {
    /// What both threads know.
    struct State: Sendable {
        var feeds = Feeds()
        var script: TickScript?
        /// Per part: when it was handed to the socket, monotonic.
        var sentAt: [Int64] = []
        var isSent = false
        var isStopping = false
        /// Why nothing goes on.
        var failure: String?
    }

    let port: UInt16
    private let shared: Shared
    private let thread: ServiceThread

    final class Shared: Sendable {
        let state = Mutex(State())
    }

    init() throws {
        let listener = try Listener()
        port = listener.port
        let shared = Shared()
        self.shared = shared
        thread = try ServiceThread(name: "broker") { BrokerLoop(listener, shared).run() }
    }

    deinit { stop() }

    func stop() {
        shared.state.withLock { $0.isStopping = true }
        _ = thread.join(timeout: .seconds(5))
    }

    /// The numbers of all requests, when everything was asked for.
    var feeds: Feeds? {
        get throws {
            let (feeds, failure) = shared.state.withLock { ($0.feeds, $0.failure) }
            if let failure { throw Unusable(failure) }
            return feeds.isComplete ? feeds : nil
        }
    }

    func send(_ script: TickScript) {
        shared.state.withLock { state in
            state.sentAt = []
            state.isSent = false
            state.script = script
        }
    }

    /// Per part of the script, when all of it was sent; else nil.
    var sentAt: [Int64]? {
        get throws {
            let state = shared.state.withLock { ($0.isSent, $0.sentAt, $0.failure) }
            if let failure = state.2 { throw Unusable(failure) }
            return state.0 ? state.1 : nil
        }
    }
}
