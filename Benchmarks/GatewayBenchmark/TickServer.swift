import Primitives
import ServiceRuntime
import Synchronization

/// A broker or an exchange for one gateway, on a separate thread. A simulator with a stopped market
/// answers the requests, and a prepared script is sent to the millisecond. Each part of the script
/// is one write, so the sender takes little of the machine on which the receiver is measured.
final class TickServer: Sendable {
    /// The state that both threads share.
    struct State: Sendable {
        /// `nil` until everything was requested.
        var asked: Asked?
        var script: TickScript?
        /// Per part: the monotonic time at which it was given to the socket.
        var sentAt: [Int64] = []
        var isSent = false
        var isStopping = false
        /// Why the server stopped. `nil` while it works.
        var failure: String?
    }

    let port: UInt16
    private let shared: Shared
    private let thread: ServiceThread

    final class Shared: Sendable {
        let state = Mutex(State())
    }

    init(_ side: Side) throws {
        let listener = try Listener()
        port = listener.port
        let shared = Shared()
        self.shared = shared
        thread = try ServiceThread(name: "server") {
            switch side {
            case .broker:
                TickServerLoop(StoppedBroker(), listener, shared, connections: 1).run()
            case .exchange, .hotHot:
                TickServerLoop(
                    StoppedExchange(connections: side.connections), listener, shared,
                    connections: side.connections
                ).run()
            }
        }
    }

    deinit { stop() }

    func stop() {
        shared.state.withLock { $0.isStopping = true }
        _ = thread.join(timeout: .seconds(5))
    }

    /// What was requested. `nil` until everything was.
    var asked: Asked? {
        get throws {
            let (asked, failure) = shared.state.withLock { ($0.asked, $0.failure) }
            if let failure { throw Unusable(failure) }
            return asked
        }
    }

    func send(_ script: TickScript) {
        shared.state.withLock { state in
            state.sentAt = []
            state.isSent = false
            state.script = script
        }
    }

    /// The times per part of the script. `nil` until all of it was sent.
    var sentAt: [Int64]? {
        get throws {
            let state = shared.state.withLock { ($0.isSent, $0.sentAt, $0.failure) }
            if let failure = state.2 { throw Unusable(failure) }
            return state.0 ? state.1 : nil
        }
    }
}
