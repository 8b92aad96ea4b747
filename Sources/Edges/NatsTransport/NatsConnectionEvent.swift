internal import CNats
import Synchronization

/// What happens to a connection by itself. Delivered one at a time, in order, on libnats' callback
/// thread, which all connections of the process share: handle quickly, never wait.
public enum NatsConnectionEvent: Equatable, Sendable {
    /// The link was lost; libnats restores it, for ever.
    case disconnected(String)
    /// A server is there again, and there is no link: TLS fails. libnats tries again, for ever; a
    /// reason is told once.
    case refused(String)
    /// The link and all subscriptions are restored. What was published meanwhile was refused. A
    /// connection that vets its servers waits for `useServer`.
    case reconnected
    /// The last event, exactly once: after `close()`, or when libnats gave up for good.
    case closed(String)
    /// The server is going to shut down and asks its clients to leave.
    case lameDuck
    /// The server or libnats complains about something that was accepted before: a subject that
    /// the user may not use, a subscription that handles its messages too slowly.
    case asyncError(String)
}

/// The receiver of one connection's events.
///
/// libnats gets its number instead of a pointer: events can still arrive after a connect that
/// failed, when nothing says how long a pointer would have to stay valid.
final class ConnectionEvents: Sendable {
    private struct State: Sendable {
        var isClosing = false
        var didClose = false
        /// Why there is still no link, as it was told last.
        var refusal: String?
    }

    private let state = Monitor(State())
    private let peer: String
    private let onEvent: @Sendable (NatsConnectionEvent) -> Void
    /// Told first, so that waiting requests end before the owner hears of it.
    let requests: RequestTable
    /// libnats holds the connection's lock during every try to reconnect, for seconds when a host
    /// does not answer. So who only wants to know that there is no link looks here first.
    let isLinkUp = Atomic<Bool>(true)
    /// The link whose server is known to be good; all are where nobody looks at servers.
    let goodLink = Atomic<Int>(0)
    private let vetsServers: Bool
    /// Counts the links: what was learnt from the server holds for one of them.
    let generation = Atomic<Int>(0)

    init(
        peer: String, requests: RequestTable, vetsServers: Bool,
        onEvent: @escaping @Sendable (NatsConnectionEvent) -> Void
    ) {
        self.vetsServers = vetsServers
        self.peer = peer
        self.requests = requests
        self.onEvent = onEvent
    }

    /// From here on a lost link is no news.
    func willClose() { state.withLock { $0.isClosing = true } }

    func disconnected(_ reason: String) {
        isLinkUp.store(false, ordering: .releasing)
        let isClosing = state.withLock { $0.isClosing }
        requests.failAll(isClosing ? NATS_CONNECTION_CLOSED : NATS_CONNECTION_DISCONNECTED)
        if isClosing { return }
        onEvent(.disconnected("\(peer): \(reason.isEmpty ? "the link was lost" : reason)"))
    }

    /// A try to restore the link failed. Whether nobody was there, or nothing but a closed socket,
    /// makes no difference to what was told when the link was lost.
    func tryFailed(_ status: natsStatus, _ reason: String) {
        let error = NatsError(status, "connect again", peer: peer, detail: reason)
        guard case .tlsFailed = error else { return }
        let isNews = state.withLock { state in
            defer { state.refusal = reason }
            return !state.isClosing && state.refusal != reason
        }
        if isNews { onEvent(.refused("\(error)")) }
    }

    func reconnected() {
        state.withLock { $0.refusal = nil }
        // Before the link can be seen: it is another one than the one that was looked at.
        generation.add(1, ordering: .releasing)
        isLinkUp.store(true, ordering: .releasing)
        onEvent(.reconnected)
    }

    /// The link is up, and nobody may use it: its server has not been looked at, or is not good.
    var isHeld: Bool {
        vetsServers
            && goodLink.load(ordering: .acquiring) != generation.load(ordering: .acquiring)
    }

    func closed(_ reason: String) {
        // Nobody holds the lock any more: libnats itself now says "closed".
        isLinkUp.store(true, ordering: .releasing)
        requests.failAll(NATS_CONNECTION_CLOSED)
        let (first, byUs) = state.withLock { state in
            defer { state.didClose = true }
            return (!state.didClose, state.isClosing)
        }
        guard first else { return }
        let text = reason.isEmpty ? "libnats gave up" : reason
        onEvent(.closed("\(peer): \(byUs ? "closed by this process" : text)"))
    }

    func lameDuck() { onEvent(.lameDuck) }

    func asyncError(_ status: natsStatus, _ text: String) {
        if status == NATS_SLOW_CONSUMER {
            onEvent(.asyncError("\(peer): messages come faster than they are handled; dropped"))
        } else if text.isEmpty {
            onEvent(.asyncError("\(peer): \(NatsStatus(status))"))
        } else {
            onEvent(.asyncError("\(peer): \(text)"))
        }
    }
}

/// Numbers for `ConnectionEvents`. The one table of the process that libnats, a library with
/// process-wide callback threads, makes necessary.
enum EventRegistry {
    private struct Table: Sendable {
        var last = 0
        var receivers: [Int: ConnectionEvents] = [:]
    }

    private static let table = Monitor(Table())

    static func add(_ events: ConnectionEvents) -> Int {
        table.withLock { table in
            table.last += 1
            table.receivers[table.last] = events
            return table.last
        }
    }

    static func remove(_ number: Int) {
        let removed = table.withLock { $0.receivers.removeValue(forKey: number) }
        // Outside the lock: the closure of an owner may do anything when it goes.
        _ = consume removed
    }

    static func find(_ closure: UnsafeMutableRawPointer?) -> ConnectionEvents? {
        let number = Int(bitPattern: closure)
        return table.withLock { $0.receivers[number] }
    }

    static var count: Int { table.withLock { $0.receivers.count } }
}

// The callbacks of a connection, on libnats' callback thread.

func connectionDisconnected(_ connection: OpaquePointer?, closure: UnsafeMutableRawPointer?) {
    unsafe EventRegistry.find(closure)?.disconnected(unsafe lastError(of: connection))
}

/// On the thread that reconnects, before each wait: says how long it is. libnats holds no lock.
func connectionWillRetry(
    _ connection: OpaquePointer?, attempt: Int32, closure: UnsafeMutableRawPointer?
) -> Int64 {
    var wait = NatsLimits.reconnectWait
    // Before the first there is nothing to say but why the link was lost.
    if attempt > 1 {
        var text: UnsafePointer<CChar>?
        let status = unsafe natsConnection_GetLastError(connection, &text)
        unsafe EventRegistry.find(closure)?.tryFailed(status, unsafe lastError(of: connection))
        if status == NATS_SSL_ERROR { wait = NatsLimits.refusedWait }
    }
    let jitter = Int64.random(in: 0...NatsLimits.reconnectJitter.natsMilliseconds)
    return wait.natsMilliseconds + jitter
}

func connectionReconnected(_: OpaquePointer?, closure: UnsafeMutableRawPointer?) {
    unsafe EventRegistry.find(closure)?.reconnected()
}

func connectionClosed(_ connection: OpaquePointer?, closure: UnsafeMutableRawPointer?) {
    unsafe EventRegistry.find(closure)?.closed(unsafe lastError(of: connection))
    EventRegistry.remove(Int(bitPattern: closure))
}

func connectionLameDuck(_: OpaquePointer?, closure: UnsafeMutableRawPointer?) {
    unsafe EventRegistry.find(closure)?.lameDuck()
}

/// The subscription is not looked at: it may be destroyed already.
func connectionError(
    _ connection: OpaquePointer?, _: OpaquePointer?, status: natsStatus,
    closure: UnsafeMutableRawPointer?
) {
    unsafe EventRegistry.find(closure)?.asyncError(status, unsafe lastError(of: connection))
}

/// The connection's last error, or the words for its status, or nothing.
private func lastError(of connection: OpaquePointer?) -> String {
    var text: UnsafePointer<CChar>?
    let status = unsafe natsConnection_GetLastError(connection, &text)
    let words = unsafe text.map { unsafe String(cString: $0) } ?? ""
    if words.isEmpty { return status == NATS_OK ? "" : NatsStatus(status).description }
    return words
}
