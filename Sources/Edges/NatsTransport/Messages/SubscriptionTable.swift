internal import CNats
import Synchronization

/// A subscription of a connection. It is made again on each link that the connection gets after a
/// change of its password; libnats itself keeps it while it only reconnects.
final class SubscriptionPlace: Sendable {
    typealias Making = @Sendable (NatsLink) throws(NatsError) -> SubscriptionHandle

    private struct State: Sendable {
        var handle: SubscriptionHandle
        var link: NatsLink
        var isEnded = false
    }

    private let state: Monitor<State>
    private let make: Making
    private let events: ConnectionEvents

    init(
        on link: NatsLink, _ events: ConnectionEvents, _ make: @escaping Making
    ) throws(NatsError) {
        state = Monitor(State(handle: try make(link), link: link))
        self.events = events
        self.make = make
    }

    var handle: SubscriptionHandle { state.withLock { $0.handle } }

    /// Makes it on another link. Returns what it was on the one before; `nil` when it is on that
    /// link already, or has ended.
    func renew(on link: NatsLink) throws(NatsError) -> SubscriptionHandle? {
        try state.withLock { state throws(NatsError) -> SubscriptionHandle? in
            guard state.link !== link, !state.isEnded else { return nil }
            let former = state.handle
            state.handle = try make(link)
            state.link = link
            return former
        }
    }

    /// From now on it is not made again. Returns what it is on the present link.
    func end() -> SubscriptionHandle {
        state.withLock { state in
            state.isEnded = true
            return state.handle
        }
    }

    /// Returns the next message, as `SubscriptionHandle.next` does. While the connection has no
    /// link, and another one may come, it waits for that.
    func next(milliseconds: Int64) -> (natsStatus, NatsMessage?) {
        let seen = events.renewals.load(ordering: .acquiring)
        let (status, message) = handle.next(milliseconds: milliseconds)
        let goesOn =
            status == NATS_OK || status == NATS_TIMEOUT || status == NATS_NO_RESPONDERS
            || status == NATS_SLOW_CONSUMER
        guard !goesOn, events.awaitsLink else { return (status, message) }
        if milliseconds > 0 { events.waitForRenewal(after: seen, milliseconds: milliseconds) }
        return (NATS_TIMEOUT, nil)
    }
}

/// The subscriptions of a connection.
final class SubscriptionTable: Sendable {
    let retired = RetiredSubscriptions()
    private let places = Monitor<[ObjectIdentifier: SubscriptionPlace]>([:])

    func add(_ place: SubscriptionPlace) {
        places.withLock { $0[ObjectIdentifier(place)] = place }
    }

    func end(_ place: SubscriptionPlace) {
        places.withLock { $0[ObjectIdentifier(place)] = nil }
        let handle = place.end()
        handle.unsubscribe()
        retired.add(handle)
    }

    func renew(_ place: SubscriptionPlace, on link: NatsLink) throws(NatsError) {
        if let former = try place.renew(on: link) { retired.add(former) }
    }

    /// Makes all subscriptions on another link.
    func renew(on link: NatsLink) throws(NatsError) {
        for place in places.withLock({ Array($0.values) }) { try renew(place, on: link) }
    }
}
