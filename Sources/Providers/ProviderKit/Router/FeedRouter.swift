package import MarketModel
internal import Primitives

/// Decides which of a source's providers delivers each instrument. Pure: time comes in. A source
/// with several providers has one per tenure, in `DeliveredTicks`.
///
/// Each instrument has its providers by priority. The *active* provider is the one that should
/// deliver the instrument now: its feeder. When its feed is down for too long, or is refused, the
/// instrument is requested from the next one, which becomes active. The instrument stays requested
/// from better providers, so that their recovery is noticed. Then the better one becomes active
/// again.
///
/// A record belongs to the provider that fed the instrument at the record's event time. So nothing
/// comes twice, late records are not lost, and filled gaps do not double another provider's ticks.
///
/// An `instrument`, or a `number`, is the instrument's number in the registry. A `provider` is an
/// index in `providers`.
package struct FeedRouter: Sendable {
    /// How long states have to last, in nanoseconds, before the router acts on them.
    package struct Settings: Sendable {
        /// When the active provider's feed is down for this long, the next provider becomes active.
        /// A better feed that is live for this long replaces an active one that is not live.
        package var downNanoseconds: Int64 = 5_000_000_000
        /// When the active provider's feed was requested and has delivered nothing for this long,
        /// the next provider becomes active.
        package var startNanoseconds: Int64 = 30_000_000_000
        /// A better feed replaces an active one that is live when the better one was live for this
        /// long. The time doubles after each return that did not last, up to about an hour.
        package var returnNanoseconds: Int64 = 30_000_000_000
        /// The time for which late records of the previous provider are awaited after a return.
        package var graceNanoseconds: Int64 = 2_000_000_000
        /// A return has lasted when a provider was active for this long.
        package var settledNanoseconds: Int64 = 3_600_000_000_000
        /// The most instruments that a running provider is ordered to begin per second. So it does
        /// not get all instruments of a failed provider in one batch.
        package var begunPerSecondMax = 200

        package init() {}
    }

    /// An instrument for which another provider is active from now on.
    package struct Switch: Hashable, Sendable {
        package var instrument: UInt32
        /// The provider that was active, and the one that is.
        package var from: Int
        package var to: Int
    }

    /// The router's orders to the caller, `DeliveredTicks`, which carries them out.
    package struct Work: Sendable {
        /// Per provider: the instruments that it must begin, and those that it must end.
        package var begun: [[UInt32]]
        package var ended: [[UInt32]]
        /// Records of the router itself for the tape.
        package var records: [ProviderRecord] = []
        /// The instruments that were switched, for the report.
        package var switches: [Switch] = []

        package init(providers: Int) {
            begun = Array(repeating: [], count: providers)
            ended = begun
        }
    }

    /// The names of the source's providers by priority. The order is valid for instruments that
    /// name no providers.
    package let providers: [String]
    let settings: Settings
    /// The routes by the number of the instrument; `nil` when it is not wanted.
    var routes: [InstrumentRoute?] = []
    /// Per provider: the number of records that were left out, because another provider feeds the
    /// instrument.
    package internal(set) var leftOut: [UInt64]
    /// Per provider: the number of instruments whose ticks it may deliver now. They include those
    /// of which late records are awaited after a return.
    private var feeding: [Int]
    /// Per provider: the instruments that it was not ordered to begin yet.
    private var queues: [BeginQueue]

    package init(providers: [String], settings: Settings = Settings()) {
        precondition((1...ProviderLimits.providersMax).contains(providers.count))
        self.providers = providers
        self.settings = settings
        leftOut = providers.map { _ in 0 }
        feeding = providers.map { _ in 0 }
        queues = providers.map { _ in BeginQueue(perSecondMax: settings.begunPerSecondMax) }
    }

    /// Returns whether a provider's floor counts for the watermark: whether it may deliver ticks.
    /// When no provider may, all of them count.
    package func isFeeding(_ provider: Int) -> Bool {
        feeding[provider] > 0 || !feeding.contains { $0 > 0 }
    }

    /// Returns the instrument's active provider; `nil` when the instrument is not wanted.
    package func active(_ instrument: UInt32) -> Int? {
        guard instrument < routes.count, let route = routes[Int(instrument)] else { return nil }
        return route.providers[route.active]
    }

    /// The active provider of each wanted instrument, in the order of the numbers.
    package var feeders: [(instrument: UInt32, provider: Int)] {
        routes.enumerated().compactMap { number, route in
            route.map { (UInt32(number), $0.providers[$0.active]) }
        }
    }

    // MARK: the list changes

    /// Adds an instrument before the providers are started: its first provider begins with it,
    /// without the limit per second. `names` are the instrument's own providers; those that the
    /// source does not have are ignored.
    package mutating func start(
        _ instrument: UInt32, providers names: [String], _ now: Moment, into work: inout Work
    ) {
        guard let first = add(instrument, names, now) else { return }
        work.begun[first].append(instrument)
    }

    /// Adds an instrument while the providers run: its first provider is ordered to begin it, as
    /// soon as the limit per second allows.
    package mutating func begin(
        _ instrument: UInt32, providers names: [String], _ now: Moment, into work: inout Work
    ) {
        guard let first = add(instrument, names, now) else { return }
        enqueue(instrument, first, now, into: &work)
    }

    /// Puts the instrument into the queue of its first provider.
    private mutating func enqueue(
        _ instrument: UInt32, _ first: Int, _ now: Moment, into work: inout Work
    ) {
        routes[Int(instrument)]?.feeds[0].isQueued = true
        queues[first].add(instrument)
        beginQueued(now, into: &work)
    }

    /// Ends an instrument and begins it again, because other data or other providers are wanted. If
    /// its new first provider has it already, that provider gets both orders in one batch, so that
    /// it records as a gap what it does not deliver in between.
    package mutating func restart(
        _ instrument: UInt32, providers names: [String], _ now: Moment, into work: inout Work
    ) {
        guard let former = withdraw(instrument, into: &work) else {
            begin(instrument, providers: names, now, into: &work)
            return
        }
        guard let first = add(instrument, names, now), var route = routes[Int(instrument)] else {
            return
        }
        carryOver(former, to: &route, instrument, now.wall, into: &work.records)
        routes[Int(instrument)] = route
        if work.ended[first].contains(instrument) {
            work.begun[first].append(instrument)
        } else {
            enqueue(instrument, first, now, into: &work)
        }
    }

    /// Takes a gap without an end that an earlier tenure left on the tape, as if the instrument's
    /// first provider had reported it. Gaps with an end are ignored.
    package mutating func inherit(_ gap: OpenGap) {
        guard !gap.to.isDefined, gap.instrument < routes.count else { return }
        routes[Int(gap.instrument)]?.note(
            InstrumentRoute.Outage(
                rank: 0, kind: gap.kind.rawValue, reported: gap.from, from: gap.from,
                reason: gap.reason.rawValue))
    }

    /// Adds a route. Returns the first of its providers; `nil` when the number is too large.
    private mutating func add(_ instrument: UInt32, _ names: [String], _ now: Moment) -> Int? {
        guard instrument < ProviderLimits.instrumentsMax else { return nil }
        while routes.count <= instrument { routes.append(nil) }
        let own = names.compactMap { providers.firstIndex(of: $0) }
        let order = own.isEmpty ? Array(providers.indices) : own
        routes[Int(instrument)] = InstrumentRoute(order, now: now.monotonic)
        countFeeding()
        return order[0]
    }

    /// Removes an instrument: orders its providers to end it, and records the end of its outages.
    package mutating func end(_ instrument: UInt32, _ now: Moment, into work: inout Work) {
        guard let route = withdraw(instrument, into: &work) else { return }
        recordEnd(route, instrument, now.wall, into: &work.records)
        countFeeding()
    }

    /// Orders all providers of the instrument to end it, and removes its route. Returns the route;
    /// `nil` when it had none.
    private mutating func withdraw(_ instrument: UInt32, into work: inout Work) -> InstrumentRoute?
    {
        guard instrument < routes.count, var route = routes[Int(instrument)] else { return nil }
        for rank in 0..<route.requested { withdraw(rank, &route, instrument, into: &work) }
        routes[Int(instrument)] = nil
        return route
    }

    /// Orders one provider to end the instrument. If the order to begin is still queued, that order
    /// is removed instead.
    private mutating func withdraw(
        _ rank: Int, _ route: inout InstrumentRoute, _ number: UInt32, into work: inout Work
    ) {
        let provider = route.providers[rank]
        guard route.feeds[rank].isQueued else {
            work.ended[provider].append(number)
            return
        }
        route.feeds[rank].isQueued = false
        queues[provider].remove(number)
    }

    /// Orders each provider to begin the queued instruments that the limit per second allows now.
    private mutating func beginQueued(_ now: Moment, into work: inout Work) {
        for provider in providers.indices {
            while let number = queues[provider].next(now: now.monotonic) {
                guard let rank = routes[Int(number)]?.rank(of: provider) else { continue }
                routes[Int(number)]?.feeds[rank] = InstrumentRoute.Feed(since: now.monotonic)
                work.begun[provider].append(number)
            }
        }
    }

    // MARK: time passes

    /// Switches providers where states have lasted long enough, and orders providers to begin
    /// queued instruments. The gateway calls it ten times a second.
    package mutating func advance(_ now: Moment, into work: inout Work) {
        for index in routes.indices {
            guard var route = routes[index], route.hasChoice else { continue }
            advance(&route, UInt32(index), now, into: &work)
            routes[index] = route
        }
        beginQueued(now, into: &work)
        countFeeding()
    }

    /// Counts again which providers may deliver ticks.
    private mutating func countFeeding() {
        for index in feeding.indices { feeding[index] = 0 }
        for case let route? in routes {
            feeding[route.providers[route.active]] += 1
            guard route.releaseAt != nil else { continue }
            for rank in (route.active + 1)..<route.requested { feeding[route.providers[rank]] += 1 }
        }
    }

    /// Ends a return whose late records are not awaited any more, then decides about a switch.
    private mutating func advance(
        _ route: inout InstrumentRoute, _ number: UInt32, _ now: Moment, into work: inout Work
    ) {
        if let at = route.releaseAt, now.monotonic >= at {
            if let pending = route.pending {
                recordSwitch(pending, &route, number, into: &work.records)
            }
            for rank in (route.active + 1)..<route.requested {
                withdraw(rank, &route, number, into: &work)
            }
            route.requested = route.active + 1
            route.releaseAt = nil
        }
        if now.monotonic - route.activeSince >= settings.settledNanoseconds { route.returns = 0 }
        let former = route.providers[route.active]
        switch route.decision(settings, now: now.monotonic) {
        case .stay: return
        case .failOver: failOver(&route, number, now, into: &work)
        case .goBack(let rank): goBack(to: rank, &route, number, now, into: &work)
        }
        route.activeSince = now.monotonic
        work.switches.append(
            Switch(instrument: number, from: former, to: route.providers[route.active]))
    }

    /// Makes the next provider active. Its records are kept from its first live record on.
    private mutating func failOver(
        _ route: inout InstrumentRoute, _ number: UInt32, _ now: Moment, into work: inout Work
    ) {
        if let pending = route.pending, pending.at.isDefined {
            recordSwitch(pending, &route, number, into: &work.records)
        }
        let (previous, wasLost) = lastDeliverer(route)
        route.active += 1
        route.releaseAt = nil
        if route.active >= route.requested {
            route.feeds[route.active] = InstrumentRoute.Feed(since: now.monotonic)
            route.feeds[route.active].isQueued = true
            queues[route.providers[route.active]].add(number)
            route.requested = route.active + 1
        }
        if route.requested > route.active + 1 {
            route.releaseAt = now.monotonic + settings.graceNanoseconds
        }
        route.pending = InstrumentRoute.Pending(
            previous: previous, at: .undefined, wasLost: wasLost)
    }

    /// Returns the rank of the provider that delivered last, and whether it no longer delivered
    /// when another one became active. While a switch is pending, the active provider has delivered
    /// nothing.
    private func lastDeliverer(_ route: InstrumentRoute) -> (rank: Int, wasLost: Bool) {
        if let pending = route.pending { return (pending.previous, pending.wasLost) }
        return (route.active, route.feeds[route.active].state != .live)
    }

    /// Makes a better provider active. Its records are kept from a time one to three seconds in the
    /// future, so that the previous provider, which still has the instrument, delivers all ticks
    /// before it. That time is a whole second, because some stamps are whole seconds.
    private func goBack(
        to rank: Int, _ route: inout InstrumentRoute, _ number: UInt32, _ now: Moment,
        into work: inout Work
    ) {
        let second: Int64 = 1_000_000_000
        let at = max(
            now.wall.advanced(byNanoseconds: 2 * second),
            route.reached.advanced(byNanoseconds: second)
        ).floored(toNanoseconds: second)
        if let pending = route.pending, pending.at.isDefined {
            recordSwitch(pending, &route, number, into: &work.records)
        }
        let (previous, wasLost) = lastDeliverer(route)
        route.active = rank
        route.returns += 1
        route.releaseAt =
            now.monotonic + at.nanoseconds(since: now.wall) + settings.graceNanoseconds
        // The provider in between has delivered nothing, so there is no switch to record.
        guard previous != rank else {
            route.pending = nil
            return
        }
        route.beginSpan(rank, from: at)
        route.pending = InstrumentRoute.Pending(previous: previous, at: at, wasLost: wasLost)
    }
}
