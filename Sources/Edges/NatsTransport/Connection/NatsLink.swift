internal import CNats
import Glibc
import Primitives
import Synchronization

/// Owns a natsConnection. The memory is freed with the last reference, so that a call which has
/// begun on a link may end there when the connection has another one.
@safe
final class NatsLink: Sendable {
    // Safety: libnats locks the connection in every call, and it is destroyed only here.
    nonisolated(unsafe) let handle: OpaquePointer
    /// The number of its events.
    let events: Int
    /// Those that it was made with.
    let files: TLSFileState

    init(owning handle: OpaquePointer, events: Int, _ files: TLSFileState) {
        unsafe self.handle = unsafe handle
        (self.events, self.files) = (events, files)
    }

    deinit { unsafe natsConnection_Destroy(handle) }
}

/// The link of a connection at present.
struct LinkState: Sendable {
    private(set) var link: NatsLink
    /// The links before it, which libnats has closed. A call that took a handle just before it was
    /// replaced ends there with an error; so a handle may be used until eight others came.
    private var former: [NatsLink] = []
    var isClosing = false
    /// The server has refused the password, and libnats has given the link up; or other files of
    /// TLS are there, and we have: a thread makes another one.
    var isRenewing = false

    init(link: NatsLink) { self.link = link }

    mutating func replace(by made: NatsLink) {
        if former.count == NatsLimits.formerLinksMax { former.removeFirst() }
        former.append(link)
        link = made
    }
}

/// Why a link may have to be replaced.
enum RenewalCause: Equatable {
    /// libnats has given it up, because the server refuses the password or the credentials.
    case refusedPassword
    /// libnats tries again, for ever, with the files of TLS that it has read.
    case failedTry
}

extension NatsConnection {
    private enum Renewal {
        case over
        case again(after: Duration, RenewalCause)
    }

    /// Begins to replace the link, with what the places of the password and of the files have by
    /// now. It is called on threads of libnats, which must not wait, so the work has a thread of
    /// its own.
    func beginRenewal(_ cause: RenewalCause) {
        let former = links.withLock { links -> NatsLink? in
            guard !links.isClosing, !links.isRenewing else { return nil }
            let isDue =
                cause == .refusedPassword || links.link.files != TLSFileState(configuration.tls)
            links.isRenewing = isDue
            return isDue ? links.link : nil
        }
        guard let former else { return }
        let isStarted = startDetached { [weak self] in
            if cause == .failedTry { self?.giveUp(former) }
            var cause = cause
            while let connection = self, connection.events.awaitsLink {
                guard case .again(let pause, let next) = connection.renew(after: cause) else {
                    return
                }
                cause = next
                let isClosing = connection.links.wait(pause) { $0.isClosing ? true : nil }
                if isClosing != nil { return }
            }
        }
        if isStarted { return }
        switch cause {
        case .refusedPassword:
            events.closed("there is no thread to connect again with a new password")
        case .failedTry: links.withLock { $0.isRenewing = false }
        }
    }

    /// Ends a link that libnats would try to restore with the old files.
    private func giveUp(_ link: NatsLink) {
        // Its end is none of the connection.
        EventRegistry.remove(link.events)
        unsafe natsConnection_Close(link.handle)
        // It may have been restored meanwhile.
        if events.isLinkUp.load(ordering: .acquiring) { events.disconnected("") }
    }

    /// Tries once. Blocks as `init` does.
    private func renew(after cause: RenewalCause) -> Renewal {
        if cause == .refusedPassword, let renewable = configuration.renewable {
            _ = renewable.renew(refused: renewable.value)
        }
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
            return .again(after: NatsLimits.refusedWait, cause)
        } catch {
            EventRegistry.remove(number)
            return goOn(after: error)
        }
    }

    private func goOn(after error: NatsError) -> Renewal {
        switch error {
        case .authenticationFailed where !configuration.mayRenew:
            events.closed("\(error)")
            return .over
        case .authenticationFailed:
            events.refused(error)
            return .again(after: NatsLimits.refusedWait, .refusedPassword)
        // A file may be incomplete at this moment.
        case .tlsFailed, .invalid:
            events.refused(error)
            return .again(after: NatsLimits.refusedWait, .failedTry)
        case .closed, .disconnected, .unreachable, .timedOut, .noResponders, .payloadTooLarge,
            .unsupportedServer, .failed:
            let jitter = Int64.random(in: 0...NatsLimits.reconnectJitter.natsMilliseconds)
            return .again(after: NatsLimits.reconnectWait + .milliseconds(jitter), .failedTry)
        }
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
