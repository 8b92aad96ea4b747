internal import CNats
import Synchronization

/// Interest in a subject; it ends with `unsubscribe()` or with the last reference.
public final class NatsSubscription: Sendable {
    public let subject: String
    private let handle: SubscriptionHandle
    private let retired: RetiredSubscriptions
    private let isOpen = Atomic<Bool>(true)

    init(_ handle: SubscriptionHandle, subject: String, retired: RetiredSubscriptions) {
        self.handle = handle
        self.subject = subject
        self.retired = retired
    }

    /// No message is delivered that was not already being delivered. Callable from any thread,
    /// also from the message callback, and as often as one likes.
    /// Waits for a running try to reconnect.
    public func unsubscribe() {
        guard isOpen.exchange(false, ordering: .acquiringAndReleasing) else { return }
        handle.unsubscribe()
        retired.add(handle)
    }

    /// Messages that came while as many were waiting as may wait.
    public var droppedMessages: Int { handle.droppedMessages }

    /// Messages whose turn has not come yet.
    public var waitingMessages: Int { handle.waitingMessages }

    deinit { unsubscribe() }
}

/// Owns a natsSubscription; the memory is given back with the last reference.
@safe
final class SubscriptionHandle: Sendable {
    // Safety: the calls on a subscription lock it, and it is destroyed only here.
    private nonisolated(unsafe) let handle: OpaquePointer

    init(owning handle: OpaquePointer) { unsafe self.handle = unsafe handle }

    /// Fails only when there is nothing left to unsubscribe (closed connection): no error to tell.
    func unsubscribe() { _ = unsafe natsSubscription_Unsubscribe(handle) }

    /// Of a subscription without a callback. 0 milliseconds: what is there now.
    func next(milliseconds: Int64) -> (natsStatus, NatsMessage?) {
        var message: OpaquePointer?
        let status = unsafe natsSubscription_NextMsg(&message, handle, milliseconds)
        guard status == NATS_OK, let message = unsafe message else { return (status, nil) }
        return (status, unsafe NatsMessage(taking: message))
    }

    var waitingMessages: Int {
        var count: Int32 = 0
        guard unsafe natsSubscription_GetPending(handle, &count, nil) == NATS_OK else { return 0 }
        return Int(count)
    }

    var droppedMessages: Int {
        var count: Int64 = 0
        guard unsafe natsSubscription_GetDropped(handle, &count) == NATS_OK else { return 0 }
        return Int(clamping: count)
    }

    deinit { unsafe natsSubscription_Destroy(handle) }
}

/// Keeps the memory of subscriptions for a while after they ended.
///
/// libnats 3.4.1's read thread takes a subscription from its table and locks it a moment later
/// without holding a reference (fixed in 3.6.1): destroyed in between, it is used after free. The
/// grace is thousands of times longer than that moment.
final class RetiredSubscriptions: Sendable {
    private struct Entry: Sendable {
        let handle: SubscriptionHandle
        let since: ContinuousClock.Instant
    }

    private let entries = Monitor<[Entry]>([])
    private let grace: Duration

    init(grace: Duration = NatsLimits.subscriptionGrace) { self.grace = grace }

    /// Frees at the same time what was kept long enough.
    func add(_ handle: SubscriptionHandle) {
        let now = ContinuousClock.now
        let freed = entries.withLock { entries in
            let old = entries.prefix { now - $0.since > grace }
            entries.removeFirst(old.count)
            entries.append(Entry(handle: handle, since: now))
            return Array(old)
        }
        // Outside the lock: destroying one calls into libnats.
        _ = consume freed
    }

    /// When libnats' read thread is gone, nothing can use a subscription any more.
    func removeAll() {
        let freed = entries.withLock { entries in
            defer { entries = [] }
            return entries
        }
        _ = consume freed
    }

    var count: Int { entries.withLock { $0.count } }
}

/// What libnats hands back with every message of a subscription.
final class SubscriptionContext: Sendable {
    let onMessage: @Sendable (NatsMessage) -> Void

    init(_ onMessage: @escaping @Sendable (NatsMessage) -> Void) { self.onMessage = onMessage }
}

/// Called on the delivery thread of the subscription, one message at a time.
func deliver(
    _: OpaquePointer?, _: OpaquePointer?, message: OpaquePointer?, closure: UnsafeMutableRawPointer?
) {
    guard let message = unsafe message else { return }
    let owned = unsafe NatsMessage(taking: message)
    guard let closure = unsafe closure else { return }
    // Safety: retained at the subscription, released in `deliveryEnded` only.
    unsafe Unmanaged<SubscriptionContext>.fromOpaque(closure).takeUnretainedValue()
        .onMessage(owned)
}

/// Called once, when libnats will not call `deliver` for this subscription any more.
func deliveryEnded(closure: UnsafeMutableRawPointer?) {
    guard let closure = unsafe closure else { return }
    // Safety: balances the `passRetained` of the subscription.
    unsafe Unmanaged<SubscriptionContext>.fromOpaque(closure).release()
}
