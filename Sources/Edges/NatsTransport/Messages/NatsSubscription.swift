internal import CNats
import Synchronization

/// A subscription to a subject. It ends with `unsubscribe()` or with the last reference.
package final class NatsSubscription: Sendable {
    package let subject: String
    private let place: SubscriptionPlace
    private let subscriptions: SubscriptionTable
    private let isOpen = Atomic<Bool>(true)

    init(_ place: SubscriptionPlace, subject: String, of subscriptions: SubscriptionTable) {
        self.place = place
        self.subject = subject
        self.subscriptions = subscriptions
    }

    /// After this call, only a message whose delivery has already begun is still delivered. It may
    /// be called from any thread, also from the message callback, and repeatedly. It waits for a
    /// running try to reconnect.
    package func unsubscribe() {
        guard isOpen.exchange(false, ordering: .acquiringAndReleasing) else { return }
        subscriptions.end(place)
    }

    /// The number of messages dropped on the present link because too many were waiting.
    package var droppedMessages: Int { place.handle.droppedMessages }

    /// The number of messages that were not handled yet.
    package var waitingMessages: Int { place.handle.waitingMessages }

    deinit { unsubscribe() }
}

/// Owns a natsSubscription. The memory is freed with the last reference.
@safe
final class SubscriptionHandle: Sendable {
    // Safety: the calls on a subscription lock it, and it is destroyed only here.
    private nonisolated(unsafe) let handle: OpaquePointer
    /// The messages of `next` that nobody uses any more.
    private let spent = SpentMessages()

    init(owning handle: OpaquePointer) { unsafe self.handle = unsafe handle }

    /// It fails only when there is nothing left to unsubscribe (closed connection), so no error is
    /// reported.
    func unsubscribe() { _ = unsafe natsSubscription_Unsubscribe(handle) }

    /// Returns the next message of a subscription without a callback. With 0 milliseconds it does
    /// not wait.
    func next(milliseconds: Int64) -> (natsStatus, NatsMessage?) {
        var message: OpaquePointer?
        let status = unsafe natsSubscription_NextMsg(&message, handle, milliseconds)
        guard status == NATS_OK, let message = unsafe message else { return (status, nil) }
        return (status, unsafe NatsMessage(taking: message, keptIn: spent))
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

/// Keeps the memory of ended subscriptions for a while.
///
/// libnats 3.4.1's read thread takes a subscription from its table and locks it a moment later
/// without holding a reference (fixed in 3.6.1). If it is destroyed in between, it is used after
/// free. The time for which it is kept is thousands of times longer than that moment.
final class RetiredSubscriptions: Sendable {
    private struct Entry: Sendable {
        let handle: SubscriptionHandle
        let since: ContinuousClock.Instant
    }

    private let entries = Monitor<[Entry]>([])
    private let grace: Duration

    init(grace: Duration = NatsLimits.subscriptionGrace) { self.grace = grace }

    /// Adds one, and frees those that were kept long enough.
    func add(_ handle: SubscriptionHandle) {
        let now = ContinuousClock.now
        let freed = entries.withLock { entries in
            let old = entries.prefix { now - $0.since > grace }
            entries.removeFirst(old.count)
            entries.append(Entry(handle: handle, since: now))
            return Array(old)
        }
        // This happens outside the lock, because destroying one calls into libnats.
        _ = consume freed
    }

    /// Frees all. When libnats' read thread has ended, nothing can use a subscription any more.
    func removeAll() {
        let freed = entries.withLock { entries in
            defer { entries = [] }
            return entries
        }
        _ = consume freed
    }

    var count: Int { entries.withLock { $0.count } }
}

/// The context that libnats passes with every message of a subscription.
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

/// Called once, when libnats will no longer call `deliver` for this subscription.
func deliveryEnded(closure: UnsafeMutableRawPointer?) {
    guard let closure = unsafe closure else { return }
    // Safety: balances the `passRetained` of the subscription.
    unsafe Unmanaged<SubscriptionContext>.fromOpaque(closure).release()
}
