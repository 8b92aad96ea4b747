internal import CNats
import Glibc
import Primitives

/// Owns a natsConnection. The memory is freed with the last reference, so that a call which has
/// begun on a link may end there when the connection has another one.
@safe
final class NatsLink: Sendable {
    // Safety: libnats locks the connection in every call, and it is destroyed only here.
    nonisolated(unsafe) let handle: OpaquePointer

    init(owning handle: OpaquePointer) { unsafe self.handle = unsafe handle }

    deinit { unsafe natsConnection_Destroy(handle) }
}

/// The link of a connection at present.
struct LinkState: Sendable {
    private(set) var link: NatsLink
    /// The links before it, which libnats has closed. A call that took a handle just before it was
    /// replaced ends there with an error; so a handle may be used until eight others came.
    private var former: [NatsLink] = []
    var isClosing = false
    /// The server has refused the password, and libnats has given the link up: a thread makes
    /// another one.
    var isRenewing = false

    init(link: NatsLink) { self.link = link }

    mutating func replace(by made: NatsLink) {
        if former.count == NatsLimits.formerLinksMax { former.removeFirst() }
        former.append(link)
        link = made
    }
}

extension NatsConnection {
    private enum Renewal {
        case over
        case again(after: Duration)
    }

    /// Begins to replace the link, with the password that its place has by now. It is called on
    /// libnats' thread of events, which must not wait, so the work has a thread of its own.
    func beginRenewal() {
        let isFirst = links.withLock { links in
            guard !links.isClosing, !links.isRenewing else { return false }
            links.isRenewing = true
            return true
        }
        guard isFirst else { return }
        let isStarted = startDetached { [weak self] in
            while let connection = self, connection.events.awaitsLink {
                guard case .again(let pause) = connection.renew() else { return }
                let isClosing = connection.links.wait(pause) { $0.isClosing ? true : nil }
                if isClosing != nil { return }
            }
        }
        if !isStarted { events.closed("there is no thread to connect again with a new password") }
    }

    /// Tries once. Blocks as `init` does.
    private func renew() -> Renewal {
        guard let renewable = configuration.renewable else { return .over }
        _ = renewable.renew(refused: renewable.value)
        // Its events count when the link is in use: a try that fails has none.
        let number = EventRegistry.reserve()
        do throws(NatsError) {
            let made = try Self.connect(configuration, events: number)
            guard use(made) else { return .over }
            EventRegistry.set(number, events)
            try subscriptions.renew(on: made)
            let isOver = links.withLock { links in
                // Its end may have been reported before, when it was not yet the link in use.
                links.isRenewing = unsafe natsConnection_IsClosed(made.handle)
                return !links.isRenewing
            }
            if isOver {
                events.renewed()
                return .over
            }
        } catch {
            EventRegistry.remove(number)
            guard error.isRefusal else {
                let jitter = Int64.random(in: 0...NatsLimits.reconnectJitter.natsMilliseconds)
                return .again(after: NatsLimits.reconnectWait + .milliseconds(jitter))
            }
            events.refused(error)
        }
        return .again(after: NatsLimits.refusedWait)
    }
}

/// The work of a thread that ends by itself.
private final class DetachedWork: Sendable {
    let body: @Sendable () -> Void

    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}

/// Starts a thread. Returns false when the system has none.
private func startDetached(_ body: @escaping @Sendable () -> Void) -> Bool {
    // Safety: the thread takes ownership of this reference; if it does not start, it is released
    // below.
    let reference = unsafe Unmanaged.passRetained(DetachedWork(body))
    var attributes = pthread_attr_t()
    unsafe pthread_attr_init(&attributes)
    unsafe pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    var id = pthread_t()
    let result = unsafe pthread_create(
        &id, &attributes, { unsafe runDetached($0) }, reference.toOpaque())
    unsafe pthread_attr_destroy(&attributes)
    if result != 0 { unsafe reference.release() }
    return result == 0
}

private func runDetached(_ raw: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let raw = unsafe raw else { return nil }
    // Safety: retained by `startDetached` for this thread alone.
    unsafe Unmanaged<DetachedWork>.fromOpaque(raw).takeRetainedValue().body()
    return nil
}
