internal import CNats
import Synchronization

/// An event of a connection that no call caused. Events are delivered in order, on libnats'
/// callback thread, or on that of a renewal. All connections of the process share the former:
/// handle events quickly, never wait.
package enum NatsConnectionEvent: Equatable, Sendable {
    /// The link was lost; libnats restores it, for ever.
    case disconnected(String)
    /// A server is reachable, but there is no link because TLS fails, or the server refuses a
    /// password that is read again. It is tried again for ever; each reason is reported once.
    case refused(String)
    /// The link and all subscriptions are restored. What was published meanwhile was refused. A
    /// connection that vets its servers waits for `useServer`.
    case reconnected
    /// The last event, exactly once: after `close()`, or when libnats gave up permanently.
    case closed(String)
    /// The server is about to shut down and asks its clients to leave.
    case lameDuck
    /// The server or libnats reports a problem with something that was accepted before: a subject
    /// that the user may not use, or a subscription that handles its messages too slowly.
    case asyncError(String)
}

/// The receiver of one connection's events.
///
/// libnats gets its number instead of a pointer. Events can still arrive after a failed connect,
/// and nothing limits how long a pointer would have to stay valid.
final class ConnectionEvents: Sendable {
    private struct State: Sendable {
        var isClosing = false
        var didClose = false
        /// Why there is still no link, as last reported.
        var refusal: String?
        /// Begins to replace the link; `nil` where that cannot help.
        var renew: (@Sendable (RenewalCause) -> Void)?
        /// The ends of the link after which it is replaced.
        var renewedEnds: [natsStatus] = []
    }

    private let state = Monitor(State())
    private let peer: String
    private let onEvent: @Sendable (NatsConnectionEvent) -> Void
    /// It is informed first, so that waiting requests end before the owner receives the event.
    let requests: RequestTable
    /// libnats holds the connection's lock during every try to reconnect, for seconds when a host
    /// does not answer. So a caller that only checks for the link reads this first.
    let isLinkUp = Atomic<Bool>(true)
    /// The number of the link whose server is known to be good. Where servers are not vetted, every
    /// link's server is.
    let goodLink = Atomic<Int>(0)
    private let vetsServers: Bool
    /// The number of links so far. What was learned from a server is valid for one link only.
    let generation = Atomic<Int>(0)
    /// How often the link was replaced, with the subscriptions.
    let renewals = Atomic<Int>(0)

    init(
        peer: String, requests: RequestTable, vetsServers: Bool,
        onEvent: @escaping @Sendable (NatsConnectionEvent) -> Void
    ) {
        self.vetsServers = vetsServers
        self.peer = peer
        self.requests = requests
        self.onEvent = onEvent
    }

    /// From here on a lost link is not reported.
    func willClose() { state.withLock { $0.isClosing = true } }

    func disconnected(_ reason: String) {
        isLinkUp.store(false, ordering: .releasing)
        let isClosing = state.withLock { $0.isClosing }
        requests.failAll(isClosing ? NATS_CONNECTION_CLOSED : NATS_CONNECTION_DISCONNECTED)
        if isClosing { return }
        onEvent(.disconnected("\(peer): \(reason.isEmpty ? "the link was lost" : reason)"))
    }

    /// Handles a failed try to restore the link. An unreachable server, or a socket that just
    /// closed, adds nothing to what was reported when the link was lost. libnats has one refusal of
    /// a password for each server of the list before it gives up, which says nothing yet.
    func tryFailed(_ status: natsStatus, _ reason: String) {
        let error = NatsError(status, "connect again", peer: peer, detail: reason)
        if case .tlsFailed = error { refused(error) }
        // A server that refuses our certificate may seem to close the link by itself.
        state.withLock { $0.isClosing ? nil : $0.renew }?(.failedTry)
    }

    /// Handles a refusal of a server that can be reached.
    func refused(_ error: NatsError) {
        let reason = error.failure.detail
        let isNew = state.withLock { state in
            defer { state.refusal = reason }
            return !state.isClosing && state.refusal != reason
        }
        if isNew { onEvent(.refused("\(error)")) }
    }

    func reconnected() {
        state.withLock { $0.refusal = nil }
        // This comes before the link is visible, because it is not the link that was checked.
        generation.add(1, ordering: .releasing)
        isLinkUp.store(true, ordering: .releasing)
        onEvent(.reconnected)
    }

    /// The link is up but must not be used: its server has not been checked, or is not good.
    var isHeld: Bool {
        vetsServers
            && goodLink.load(ordering: .acquiring) != generation.load(ordering: .acquiring)
    }

    /// Sets what begins to replace the link, if there is a reason for it: after a try to restore it
    /// that failed, and when libnats gave it up with one of `ends`.
    func renews(
        after ends: [natsStatus], _ begin: @escaping @Sendable (RenewalCause) -> Void
    ) {
        state.withLock { ($0.renew, $0.renewedEnds) = (begin, ends) }
    }

    /// Handles a link that replaced another one, with its subscriptions.
    func renewed() {
        renewals.add(1, ordering: .releasing)
        reconnected()
    }

    /// Whether another link may come after the end of the present one.
    var awaitsLink: Bool {
        state.withLock { $0.renew != nil && !$0.didClose && !$0.isClosing }
    }

    /// Waits until the link was replaced more often than `seen`, or will not be any more.
    func waitForRenewal(after seen: Int, milliseconds: Int64) {
        _ = state.wait(.milliseconds(milliseconds)) { state -> Bool? in
            let isNew = renewals.load(ordering: .acquiring) != seen
            return isNew || state.didClose || state.isClosing ? true : nil
        }
    }

    func closed(_ reason: String, _ status: natsStatus = NATS_OK) {
        let renew = state.withLock {
            $0.isClosing || $0.didClose || !$0.renewedEnds.contains(status) ? nil : $0.renew
        }
        if let renew {
            requests.failAll(NATS_CONNECTION_DISCONNECTED)
            return renew(.refusedPassword)
        }
        // The lock is free now, and libnats itself reports "closed".
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

/// The numbers of `ConnectionEvents`. This is the only global table of the process. It is needed
/// because libnats has process-wide callback threads.
enum EventRegistry {
    private struct Table: Sendable {
        var last = 0
        var receivers: [Int: ConnectionEvents] = [:]
    }

    private static let table = Monitor(Table())

    static func add(_ events: ConnectionEvents) -> Int {
        let number = reserve()
        set(number, events)
        return number
    }

    /// Returns a number whose events have no receiver yet.
    static func reserve() -> Int {
        table.withLock { table in
            table.last += 1
            return table.last
        }
    }

    static func set(_ number: Int, _ events: ConnectionEvents) {
        table.withLock { $0.receivers[number] = events }
    }

    static func remove(_ number: Int) {
        let removed = table.withLock { $0.receivers.removeValue(forKey: number) }
        // This happens outside the lock, because destroying the owner's closure may run any code.
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

/// Called on the thread that reconnects, before each wait, and returns the wait. libnats holds no
/// lock.
func connectionWillRetry(
    _ connection: OpaquePointer?, attempt: Int32, closure: UnsafeMutableRawPointer?
) -> Int64 {
    var wait = NatsLimits.reconnectWait
    // Before the first try there is nothing to report but why the link was lost.
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
    var text: UnsafePointer<CChar>?
    let status = unsafe natsConnection_GetLastError(connection, &text)
    unsafe EventRegistry.find(closure)?.closed(unsafe lastError(of: connection), status)
    EventRegistry.remove(Int(bitPattern: closure))
}

func connectionLameDuck(_: OpaquePointer?, closure: UnsafeMutableRawPointer?) {
    unsafe EventRegistry.find(closure)?.lameDuck()
}

/// The subscription must not be used: it may be destroyed already.
func connectionError(
    _ connection: OpaquePointer?, _: OpaquePointer?, status: natsStatus,
    closure: UnsafeMutableRawPointer?
) {
    unsafe EventRegistry.find(closure)?.asyncError(status, unsafe lastError(of: connection))
}

/// Returns the connection's last error, or the text of its status, or nothing.
private func lastError(of connection: OpaquePointer?) -> String {
    var text: UnsafePointer<CChar>?
    let status = unsafe natsConnection_GetLastError(connection, &text)
    let words = unsafe text.map { unsafe String(cString: $0) } ?? ""
    if words.isEmpty { return status == NATS_OK ? "" : NatsStatus(status).description }
    return words
}
