package import EngineKit
package import MarketModel
package import Primitives

/// Alpaca's streams, as a machine: what happens goes in, and records, wishes and notes come out.
/// It has no clock, no socket and no key. The service numbers nothing.
package struct AlpacaEngine: FilledVenue {
    let settings: AlpacaSettings
    package var machine: StreamMachine
    var reader: AlpacaReader
    var changes: AlpacaChanges
    package private(set) var fills: GapFills<AlpacaHistoryService>

    package init(_ settings: AlpacaSettings) {
        self.settings = settings
        let delay = settings.feed.delay
        machine = StreamMachine(
            settings.stream,
            StreamRules(
                settings.feed.hours, perRequest: AlpacaLimits.symbolsPerRequest,
                occupiedWait: AlpacaLimits.occupiedWait),
            channels: AlpacaChannel.allCases.count,
            // News have the time of their publication.
            lags: AlpacaEndpoint.allCases.map { $0 == .market ? delay...delay : nil })
        reader = AlpacaReader(settings.feed, settings.stream.hidden)
        // Trades of coins are never changed.
        changes = AlpacaChanges(
            tradesKept: settings.feed.isCrypto ? 1 : settings.stream.tradesKept)
        let past = AlpacaHistoryService(
            AlpacaPastFeed(settings.feed), bars: .minute,
            isDelayed: settings.feed == .delayedSip)
        fills = GapFills(
            past, GapFills.Form(delay > 0 ? .delayed : [], .nanosecond),
            seed: settings.stream.seed)
    }

    // MARK: messages

    /// A frame came on a connection.
    package mutating func received(
        _ bytes: RawSpan, isText: Bool, on number: UInt32, _ now: Moment,
        into out: inout StreamMachine.Output
    ) {
        guard let link = machine.link(number) else { return }
        machine.beginFrame(link)
        guard isText, reader.begin(bytes) else { return machine.broken(link, now, into: &out) }
        var isBroken = false
        while let message = reader.next(
            bytes, received: now.wall, machine.feeds.places, isBroken: &isBroken)
        {
            machine.note(reader.time, on: link)
            take(message, on: link, now, into: &out)
            // An answer may have ended the connection.
            if case .control = message, !machine.isPresent(number, on: link) { return }
        }
        machine.endFrame(link, now, into: &out)
        if isBroken { machine.broken(link, now, into: &out) }
    }

    /// Whether a trade that is reported late has come from the past before.
    private func wasFetched(_ trade: Trade, of feed: Int) -> Bool {
        trade.header.providerTime < machine.floor
            && fills.hasFetched(trade.header.providerID, of: feed)
    }

    package mutating func withFills<Result>(
        _ body: (inout GapFills<AlpacaHistoryService>, inout StreamMachine) -> Result
    ) -> Result { body(&fills, &machine) }

    package mutating func fetched(_ trade: Trade, of feed: Int) {
        if !settings.feed.isCrypto { changes.keep(trade, of: feed) }
    }

    @inline(__always)
    private mutating func take(
        _ message: StreamMessage, on link: Int, _ now: Moment,
        into out: inout StreamMachine.Output
    ) {
        switch message {
        case .trade(let feed, let trade):
            guard machine.isExpected(feed, now, into: &out) else { return }
            guard !wasFetched(trade, of: feed) else { return machine.skip(.double, into: &out) }
            machine.deliver(trade, of: feed, now, into: &out)
            if !settings.feed.isCrypto { changes.keep(trade, of: feed) }
        case .quote(let feed, let quote):
            guard machine.isExpected(feed, now, into: &out) else { return }
            machine.deliver(quote, of: feed, now, into: &out)
        case .beside: take(reader.beside, now, into: &out)
        case .control: take(reader.control, on: link, now, into: &out)
        case .skipped(let reason): machine.skip(reason, into: &out)
        }
    }

    private mutating func take(
        _ message: AlpacaBeside, _ now: Moment, into out: inout StreamMachine.Output
    ) {
        switch message {
        case .none: break
        case .bar(let feed, let bar):
            guard machine.isExpected(feed, now, into: &out) else { return }
            machine.deliver(bar, of: feed, now, into: &out)
        case .status(let feed, var value):
            guard machine.isExpected(feed, now, into: &out) else { return }
            value.header.symbol = machine.feeds.list[feed].instrument
            machine.counters.beside.statuses &+= 1
            machine.deliver(
                .indicator(value), at: value.header.providerTime, of: feed, now, into: &out)
        case .news(let article):
            for feed in article.feeds where machine.isExpected(feed, now, into: &out) {
                var record = article.record
                record.header.symbol = machine.feeds.list[feed].instrument
                machine.counters.beside.articles &+= 1
                machine.deliver(
                    .news(record), at: record.header.providerTime, of: feed, now, into: &out)
            }
        case .change(let change):
            guard machine.isExpected(change.feed, now, into: &out) else { return }
            changes.take(change, machine.feeds.list[change.feed].instrument, &machine, into: &out)
        case .misfit(let feed, let time, let text):
            machine.misfit(text, at: time, of: feed, now, into: &out)
        }
    }

    // MARK: time

    /// Does what is due.
    package mutating func timePassed(_ now: Moment, into out: inout StreamMachine.Output) {
        guard !machine.isStopped else { return }
        serveAndFill(now, into: &out)
        changes.repairIfDue(now, &machine, into: &out)
    }

    /// The next moment at which `timePassed` has something to do.
    package var nextDue: MonotonicTime {
        machine.isStopped ? .never : min(nextServed, changes.nextRepair)
    }

    /// Ends everything: gaps without an end, then the ends of the subscriptions.
    package mutating func stop(_ now: Moment, into out: inout StreamMachine.Output) {
        guard !machine.isStopped else { return }
        changes.repairIfDue(now, &machine, isLast: true, into: &out)
        machine.stop(now, into: &out)
    }

    // MARK: what is wanted

    package func plan(of instrument: Instrument) -> StreamPlan {
        let name = Self.name(of: instrument)
        let channels = AlpacaChannel.all(of: instrument.feeds, isCrypto: settings.feed.isCrypto)
        let known: Instrument.Feeds = [.level1, .trades, .allTrades, .quotes, .bars, .news]
        var plan = StreamPlan(
            name: name, channels: channels.map { $0.stream(settings) },
            absent: instrument.feeds.isSubset(of: known)
                ? "" : "only its trades, quotes, bars and news come from here",
            problem: problem(instrument, name, channels))
        for channel in AlpacaChannel.allCases {
            plan.names[channel.rawValue] = channel.name(of: name)
        }
        return plan
    }

    /// Returns why an instrument cannot be delivered; `nil`: it can.
    private func problem(
        _ instrument: Instrument, _ name: String, _ channels: [AlpacaChannel]
    ) -> String? {
        let isCoin = instrument.contract.security == .crypto
        if settings.feed.isCrypto, !isCoin {
            return "only coins come from this feed: security: crypto, or another ALPACA_FEED"
        }
        if !settings.feed.isCrypto, instrument.contract.security != .stock {
            return "only stocks come from this feed: security: stock, or ALPACA_FEED=crypto"
        }
        guard !channels.isEmpty else {
            return "only trades, quotes, bars and news come from here, as feeds: trades"
        }
        return Self.problem(ofName: name)
    }

    /// Returns why a name is no symbol of the service; `nil`: it may be one.
    static func problem(ofName name: String) -> String? {
        (1...StreamLimits.symbolBytesMax).contains(name.utf8.count)
            && name.utf8.allSatisfy(isOfName)
            ? nil : "'\(name)' is no symbol of Alpaca: write it like AAPL or BTC/USD"
    }

    private static func isOfName(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || "./-".utf8.contains(byte)
    }

    /// Returns the service's symbol: the one in the contract, else our own. The contract of a pair
    /// has its halves.
    static func name(of instrument: Instrument) -> String {
        let contract = instrument.contract
        let own = contract.providerSymbol
        if own.isEmpty { return instrument.symbol.text.uppercased() }
        let isHalf = contract.security == .crypto && !own.contains("/")
        return (isHalf ? "\(own)/\(contract.currency)" : own).uppercased()
    }
}
