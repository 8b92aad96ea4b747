package import MarketModel
internal import Primitives

/// Decides which of a source's providers delivers each instrument. Pure: time comes in.
///
/// Each instrument has its providers by priority. When the active provider's feed is down for too
/// long, or is refused, the next one is requested. Better ones stay requested, so that their
/// recovery is noticed; then the best one delivers again. A provider's actions and reports affect
/// only the instruments that it feeds.
///
/// A record belongs to the provider that fed the instrument at the record's event time. So nothing
/// comes twice, late records are not lost, and filled gaps do not double another provider's ticks.
package struct FeedRouter: Sendable {
    /// How long states have to last, in nanoseconds, before the router acts on them.
    package struct Settings: Sendable {
        /// A feed that is down for this long is replaced. One that is live for this long may
        /// replace one that is down.
        package var downNanoseconds: Int64 = 5_000_000_000
        /// The same for a feed that was requested and has delivered nothing yet.
        package var startNanoseconds: Int64 = 30_000_000_000
        /// A better feed becomes active again when it was live for this long; twice as long after
        /// each return that did not last, up to an hour.
        package var returnNanoseconds: Int64 = 30_000_000_000
        /// The time for which late records of the previous provider are awaited after a return.
        package var graceNanoseconds: Int64 = 2_000_000_000
        /// A feed that was active for this long has lasted.
        package var settledNanoseconds: Int64 = 3_600_000_000_000
        /// The most instruments that a running provider is given per second. When it gets all
        /// instruments of another provider, they do not come in one batch.
        package var begunPerSecondMax = 200

        package init() {}
    }

    /// An instrument that another provider delivers from now on.
    package struct Switch: Hashable, Sendable {
        package var instrument: UInt32
        /// Indexes in the list of providers.
        package var from: Int
        package var to: Int
    }

    /// The actions for the caller, which empties it.
    package struct Work: Sendable {
        /// Per provider: the instruments that it must begin, and those that it must end.
        package var begun: [[UInt32]]
        package var ended: [[UInt32]]
        /// The records for the tape.
        package var records: [ProviderRecord] = []
        package var switches: [Switch] = []

        package init(providers: Int) {
            begun = Array(repeating: [], count: providers)
            ended = begun
        }
    }

    /// The source's providers by priority, for instruments that name none.
    package let providers: [String]
    let settings: Settings
    /// The routes by the number of the instrument; `nil`: not wanted.
    var routes: [InstrumentRoute?] = []
    /// Per provider: the records that were left out because another provider feeds the instrument.
    package internal(set) var leftOut: [UInt64]
    /// Per provider: the number of instruments whose ticks it may deliver.
    private var feeding: [Int]
    /// Per provider, the instruments that it was not given yet.
    private var queues: [BeginQueue]

    package init(providers: [String], settings: Settings = Settings()) {
        precondition((1...ProviderLimits.providersMax).contains(providers.count))
        self.providers = providers
        self.settings = settings
        leftOut = providers.map { _ in 0 }
        feeding = providers.map { _ in 0 }
        queues = providers.map { _ in BeginQueue(perSecondMax: settings.begunPerSecondMax) }
    }

    /// Returns whether a provider's floor counts. When no provider feeds anything, all of them
    /// count.
    package func isFeeding(_ provider: Int) -> Bool {
        feeding[provider] > 0 || !feeding.contains { $0 > 0 }
    }

    /// Returns the index of the provider that feeds the instrument; `nil`: it is not wanted.
    package func active(_ instrument: UInt32) -> Int? {
        guard instrument < routes.count, let route = routes[Int(instrument)] else { return nil }
        return route.providers[route.active]
    }

    /// The provider of each wanted instrument, by the number of the instrument.
    package var feeders: [(instrument: UInt32, provider: Int)] {
        routes.enumerated().compactMap { number, route in
            route.map { (UInt32(number), $0.providers[$0.active]) }
        }
    }

    // MARK: the list changes

    /// Adds an instrument with which a provider is started, without the limit per second. `names`
    /// are the instrument's own providers; those that the source does not have are ignored.
    package mutating func start(
        _ instrument: UInt32, providers names: [String], _ now: Moment, into work: inout Work
    ) {
        guard let first = add(instrument, names, now) else { return }
        work.begun[first].append(instrument)
    }

    /// Does the same while the providers run: the first provider gets the instrument when its turn
    /// has come.
    package mutating func begin(
        _ instrument: UInt32, providers names: [String], _ now: Moment, into work: inout Work
    ) {
        guard let first = add(instrument, names, now) else { return }
        enqueue(instrument, first, now, into: &work)
    }

    /// Gives the instrument to its first provider when its turn has come.
    private mutating func enqueue(
        _ instrument: UInt32, _ first: Int, _ now: Moment, into work: inout Work
    ) {
        routes[Int(instrument)]?.feeds[0].isQueued = true
        queues[first].add(instrument)
        beginQueued(now, into: &work)
    }

    /// Ends an instrument and begins it again, because other data or other providers are wanted. A
    /// provider that has it before and after gets both orders in the same batch.
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

    /// Takes an open gap that a predecessor left on the tape, as if the first provider had reported
    /// it.
    package mutating func inherit(_ gap: OpenGap) {
        guard !gap.to.isDefined, gap.instrument < routes.count else { return }
        routes[Int(gap.instrument)]?.note(
            InstrumentRoute.Outage(
                rank: 0, kind: gap.kind.rawValue, from: gap.from, reason: gap.reason.rawValue))
    }

    /// Adds a route. Returns the first of its providers; `nil`: the number is too large.
    private mutating func add(_ instrument: UInt32, _ names: [String], _ now: Moment) -> Int? {
        guard instrument < ProviderLimits.instrumentsMax else { return nil }
        while routes.count <= instrument { routes.append(nil) }
        let own = names.compactMap { providers.firstIndex(of: $0) }
        let order = own.isEmpty ? Array(providers.indices) : own
        routes[Int(instrument)] = InstrumentRoute(order, now: now.monotonic)
        countFeeding()
        return order[0]
    }

    /// Removes an instrument, and records the end of its outages.
    package mutating func end(_ instrument: UInt32, _ now: Moment, into work: inout Work) {
        guard let route = withdraw(instrument, into: &work) else { return }
        recordEnd(route, instrument, now.wall, into: &work.records)
        countFeeding()
    }

    /// Takes the instrument from all providers. Returns the route that it had; `nil`: it had none.
    private mutating func withdraw(_ instrument: UInt32, into work: inout Work) -> InstrumentRoute?
    {
        guard instrument < routes.count, var route = routes[Int(instrument)] else { return nil }
        for rank in 0..<route.requested { withdraw(rank, &route, instrument, into: &work) }
        routes[Int(instrument)] = nil
        return route
    }

    /// Takes the instrument from a provider. A provider that was not given it yet gets no order at
    /// all.
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

    /// Gives each provider the instruments whose turn has come.
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

    /// Switches providers where the time has come, and gives them the instruments whose turn it is.
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

    /// Makes the next provider active. It delivers from its first record on.
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

    /// Returns the rank of the provider that delivered last, and whether it had stopped by then.
    private func lastDeliverer(_ route: InstrumentRoute) -> (rank: Int, wasLost: Bool) {
        if let pending = route.pending { return (pending.previous, pending.wasLost) }
        return (route.active, route.feeds[route.active].state != .live)
    }

    /// Makes the better provider deliver from a time slightly in the future; until then both have
    /// the instrument. It is a whole second, because some stamps are whole seconds.
    private func goBack(
        to rank: Int, _ route: inout InstrumentRoute, _ number: UInt32, _ now: Moment,
        into work: inout Work
    ) {
        let second: Int64 = 1_000_000_000
        let at = max(
            now.wall.advanced(byNanoseconds: 2 * second),
            route.reached.advanced(byNanoseconds: second)
        ).floored(to: second)
        if let pending = route.pending, pending.at.isDefined {
            recordSwitch(pending, &route, number, into: &work.records)
        }
        let (previous, wasLost) = lastDeliverer(route)
        route.active = rank
        route.returns += 1
        route.releaseAt =
            now.monotonic + at.nanoseconds(since: now.wall) + settings.graceNanoseconds
        // The provider in between has delivered nothing, so nothing has changed.
        guard previous != rank else {
            route.pending = nil
            return
        }
        route.beginSpan(rank, from: at)
        route.pending = InstrumentRoute.Pending(previous: previous, at: at, wasLost: wasLost)
    }
}

extension Timestamp {
    fileprivate func floored(to unit: Int64) -> Timestamp {
        guard isDefined else { return self }
        let rest = nanoseconds % unit
        return advanced(byNanoseconds: rest >= 0 ? -rest : -rest - unit)
    }
}
