public import MarketModel
internal import Primitives

/// Decides which of a source's providers delivers each instrument. Pure: time comes in.
///
/// Each instrument has its providers by priority. When the feed of the active one is down for too
/// long, or refused, the next one is asked. Those that are better stay asked, so that it is known
/// when they are back; then the best one delivers again. What one provider does or says concerns
/// only the instruments that it feeds.
///
/// A record belongs to whoever fed the instrument at its event time: so nothing comes twice, what
/// comes late is not lost, and what is filled in later does not double another's ticks.
public struct FeedRouter: Sendable {
    public struct Settings: Sendable {
        /// A feed that is down for so long is replaced; one that is live for so long may replace
        /// one that is down.
        public var downNanoseconds: Int64 = 5_000_000_000
        /// The same for one that was asked for and has delivered nothing yet.
        public var startNanoseconds: Int64 = 30_000_000_000
        /// A better feed takes over again when it was live for so long; twice as long after each
        /// return that did not last, up to an hour.
        public var returnNanoseconds: Int64 = 30_000_000_000
        /// How long late records of the former one are awaited after a return.
        public var graceNanoseconds: Int64 = 2_000_000_000
        /// A feed that was active for so long has lasted.
        public var settledNanoseconds: Int64 = 3_600_000_000_000
        /// Instruments that a provider is told of in a second once it runs: when all that another
        /// one fed comes to it, it does not come in one go.
        public var begunPerSecondMax = 200

        public init() {}
    }

    public struct Switch: Hashable, Sendable {
        public var instrument: UInt32
        /// Places in the list of providers.
        public var from: Int
        public var to: Int
    }

    /// What is to be done; the caller empties it.
    public struct Work: Sendable {
        /// Per provider: from now on wanted of it, and not wanted any more.
        public var begun: [[UInt32]]
        public var ended: [[UInt32]]
        /// For the tape.
        public var records: [ProviderRecord] = []
        public var switches: [Switch] = []

        public init(providers: Int) {
            begun = Array(repeating: [], count: providers)
            ended = begun
        }
    }

    /// By priority, for instruments that name none.
    public let providers: [String]
    let settings: Settings
    /// By the number of the instrument; nil: not wanted.
    var routes: [FeedRoute?] = []
    /// Per provider: records that were left out, because another one feeds the instrument.
    public internal(set) var leftOut: [UInt64]
    /// Per provider: instruments whose ticks it may deliver.
    private var feeding: [Int]
    /// Per provider.
    private var queues: [BeginQueue]

    public init(providers: [String], settings: Settings = Settings()) {
        precondition((1...ProviderLimits.providersMax).contains(providers.count))
        self.providers = providers
        self.settings = settings
        leftOut = providers.map { _ in 0 }
        feeding = providers.map { _ in 0 }
        queues = providers.map { _ in BeginQueue(perSecondMax: settings.begunPerSecondMax) }
    }

    /// Whether a provider's promises count. When nobody feeds anything, all of them do.
    public func isFeeding(_ provider: Int) -> Bool {
        feeding[provider] > 0 || !feeding.contains { $0 > 0 }
    }

    /// The place of the provider that feeds the instrument.
    public func active(_ instrument: UInt32) -> Int? {
        guard instrument < routes.count, let route = routes[Int(instrument)] else { return nil }
        return route.providers[route.active]
    }

    /// Who feeds what is wanted, by the number of the instrument.
    public var feeders: [(instrument: UInt32, provider: Int)] {
        routes.enumerated().compactMap { number, route in
            route.map { (UInt32(number), $0.providers[$0.active]) }
        }
    }

    // MARK: the list changes

    /// What a provider is started with it is told at once. `names`: the instrument's own providers;
    /// of those that the source does not have nothing is asked.
    public mutating func start(
        _ instrument: UInt32, providers names: [String], _ now: Moment, into work: inout Work
    ) {
        guard let first = add(instrument, names, now) else { return }
        work.begun[first].append(instrument)
    }

    /// The same while the providers run: the first one is told when its turn has come.
    public mutating func begin(
        _ instrument: UInt32, providers names: [String], _ now: Moment, into work: inout Work
    ) {
        guard let first = add(instrument, names, now) else { return }
        enqueue(instrument, first, now, into: &work)
    }

    private mutating func enqueue(
        _ instrument: UInt32, _ first: Int, _ now: Moment, into work: inout Work
    ) {
        routes[Int(instrument)]?.feeds[0].isQueued = true
        queues[first].add(instrument)
        release(now, into: &work)
    }

    /// Other data of it are wanted than before, or of others: it ends and begins anew. Who is asked
    /// in both cases is told both at once.
    public mutating func restart(
        _ instrument: UInt32, providers names: [String], _ now: Moment, into work: inout Work
    ) {
        guard let former = leave(instrument, into: &work) else {
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

    /// What a predecessor left on the tape and lasts: it is as if the first one had said so.
    public mutating func inherit(_ gap: OpenGap) {
        guard !gap.to.isDefined, gap.instrument < routes.count else { return }
        routes[Int(gap.instrument)]?.note(
            FeedRoute.Outage(
                rank: 0, kind: gap.kind.rawValue, from: gap.from, reason: gap.reason.rawValue))
    }

    /// The first of its providers.
    private mutating func add(_ instrument: UInt32, _ names: [String], _ now: Moment) -> Int? {
        guard instrument < ProviderLimits.instrumentsMax else { return nil }
        while routes.count <= instrument { routes.append(nil) }
        let own = names.compactMap { providers.firstIndex(of: $0) }
        let order = own.isEmpty ? Array(providers.indices) : own
        routes[Int(instrument)] = FeedRoute(order, now: now.monotonic)
        count()
        return order[0]
    }

    public mutating func end(_ instrument: UInt32, _ now: Moment, into work: inout Work) {
        guard let route = leave(instrument, into: &work) else { return }
        recordEnd(route, instrument, now.wall, into: &work.records)
        count()
    }

    /// Nobody is asked for it any more.
    private mutating func leave(_ instrument: UInt32, into work: inout Work) -> FeedRoute? {
        guard instrument < routes.count, var route = routes[Int(instrument)] else { return nil }
        for rank in 0..<route.asked { leave(rank, &route, instrument, into: &work) }
        routes[Int(instrument)] = nil
        return route
    }

    /// The provider is not wanted for the instrument any more. Who was not told of it yet does not
    /// hear of it at all.
    private mutating func leave(
        _ rank: Int, _ route: inout FeedRoute, _ number: UInt32, into work: inout Work
    ) {
        let provider = route.providers[rank]
        guard route.feeds[rank].isQueued else {
            work.ended[provider].append(number)
            return
        }
        route.feeds[rank].isQueued = false
        queues[provider].remove(number)
    }

    /// Tells each provider of those whose turn has come.
    private mutating func release(_ now: Moment, into work: inout Work) {
        for provider in providers.indices {
            while let number = queues[provider].next(now: now.monotonic) {
                guard let rank = routes[Int(number)]?.rank(of: provider) else { continue }
                routes[Int(number)]?.feeds[rank] = FeedRoute.Feed(since: now.monotonic)
                work.begun[provider].append(number)
            }
        }
    }

    // MARK: time passes

    public mutating func look(_ now: Moment, into work: inout Work) {
        for index in routes.indices {
            guard var route = routes[index], route.hasChoice else { continue }
            look(&route, UInt32(index), now, into: &work)
            routes[index] = route
        }
        release(now, into: &work)
        count()
    }

    private mutating func count() {
        for index in feeding.indices { feeding[index] = 0 }
        for case let route? in routes {
            feeding[route.providers[route.active]] += 1
            guard route.releaseAt != nil else { continue }
            for rank in (route.active + 1)..<route.asked { feeding[route.providers[rank]] += 1 }
        }
    }

    private mutating func look(
        _ route: inout FeedRoute, _ number: UInt32, _ now: Moment, into work: inout Work
    ) {
        if let at = route.releaseAt, now.monotonic >= at {
            if let pending = route.pending { record(pending, &route, number, into: &work.records) }
            for rank in (route.active + 1)..<route.asked {
                leave(rank, &route, number, into: &work)
            }
            route.asked = route.active + 1
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

    /// The next one delivers from its first record on.
    private mutating func failOver(
        _ route: inout FeedRoute, _ number: UInt32, _ now: Moment, into work: inout Work
    ) {
        if let pending = route.pending, pending.at.isDefined {
            record(pending, &route, number, into: &work.records)
        }
        let (previous, wasLost) = previous(route)
        route.active += 1
        route.releaseAt = nil
        if route.active >= route.asked {
            route.feeds[route.active] = FeedRoute.Feed(since: now.monotonic)
            route.feeds[route.active].isQueued = true
            queues[route.providers[route.active]].add(number)
            route.asked = route.active + 1
        }
        if route.asked > route.active + 1 {
            route.releaseAt = now.monotonic + settings.graceNanoseconds
        }
        route.pending = FeedRoute.Pending(previous: previous, at: .undefined, wasLost: wasLost)
    }

    /// Who delivered last, and whether it has stopped.
    private func previous(_ route: FeedRoute) -> (rank: Int, wasLost: Bool) {
        if let pending = route.pending { return (pending.previous, pending.wasLost) }
        return (route.active, route.feeds[route.active].state != .live)
    }

    /// The better one delivers from a time on that is a moment ahead: both were asked until then.
    /// A whole second, as some stamps are whole seconds.
    private func goBack(
        to rank: Int, _ route: inout FeedRoute, _ number: UInt32, _ now: Moment,
        into work: inout Work
    ) {
        let second: Int64 = 1_000_000_000
        let at = max(
            now.wall.advanced(byNanoseconds: 2 * second),
            route.reached.advanced(byNanoseconds: second)
        ).floored(to: second)
        if let pending = route.pending, pending.at.isDefined {
            record(pending, &route, number, into: &work.records)
        }
        let (previous, wasLost) = previous(route)
        route.active = rank
        route.returns += 1
        route.releaseAt =
            now.monotonic + at.nanoseconds(since: now.wall) + settings.graceNanoseconds
        // The one in between has delivered nothing: nothing has changed.
        guard previous != rank else {
            route.pending = nil
            return
        }
        route.begin(rank, from: at)
        route.pending = FeedRoute.Pending(previous: previous, at: at, wasLost: wasLost)
    }
}

extension Timestamp {
    fileprivate func floored(to unit: Int64) -> Timestamp {
        guard isDefined else { return self }
        let rest = nanoseconds % unit
        return advanced(byNanoseconds: rest >= 0 ? -rest : -rest - unit)
    }
}
