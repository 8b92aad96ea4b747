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

// What the service says of a connection, and what it is asked for. No answer names its request.
extension AlpacaEngine {
    mutating func take(
        _ control: AlpacaControl, on link: Int, _ now: Moment,
        into out: inout StreamMachine.Output
    ) {
        switch control {
        case .connected: machine.greeted(link, now, into: &out)
        case .authenticated: machine.authenticated(link, now, into: &out)
        case .error(let code, let text): failed(code, text, on: link, now, into: &out)
        case .subscribed(let lists): subscribed(lists, on: link, now, into: &out)
        }
    }

    private mutating func failed(
        _ code: Int, _ text: String, on link: Int, _ now: Moment,
        into out: inout StreamMachine.Output
    ) {
        let known = AlpacaCode(rawValue: code)
        let said = "the service says: \(text) (\(code)): \(AlpacaCode.advice(known))"
        if known == .authenticated { return }
        if let known, known.isOfRequest {
            if known == .symbols { machine.links[link].asking.roomRefused = said }
            return refusedRequest(said, known, on: link, now, into: &out)
        }
        if known?.isOfAccount == true {
            return machine.refusedAccount(link, said, now, into: &out)
        }
        machine.giveUp(link, said, known == .occupied ? .occupied : .failed, now, into: &out)
    }

    package func name(of feed: StreamFeed) -> String { "\(feed.ofAlpaca.name) of \(feed.name)" }

    package func text(of request: StreamRequest) -> String {
        let asked = request.feeds.map { machine.feeds.list[$0] }
        return JSONWriter.made { json in
            json.member("action", request.isSubscribing ? "subscribe" : "unsubscribe")
            for channel in AlpacaChannel.allCases {
                let names = asked.filter { $0.ofAlpaca == channel }.map(\.name)
                guard !names.isEmpty else { continue }
                json.array(channel.name) { list in for name in names { list.value(name) } }
            }
        }.text
    }

    package mutating func unanswered(
        on link: Int, _ now: Moment, into out: inout StreamMachine.Output
    ) {
        machine.giveUp(link, "a request has no answer", .failed, now, into: &out)
    }

    /// The whole list of what is subscribed to came: the answer to a request.
    private mutating func subscribed(
        _ lists: [AlpacaChannel: Set<String>], on link: Int, _ now: Moment,
        into out: inout StreamMachine.Output
    ) {
        guard let request = machine.links[link].asking.request else { return }
        machine.links[link].asking.request = nil
        if request.isSubscribing {
            machine.links[link].asking.feedsMax = min(
                machine.links[link].asking.feedsMax * 2, AlpacaLimits.symbolsPerRequest)
        } else {
            machine.askAgain(machine.feeds.madeRoom(link: link), on: link)
        }
        for place in machine.feeds.list.indices
        where machine.feeds.list[place].channel.link == link {
            let feed = machine.feeds.list[place]
            let isThere = lists[feed.ofAlpaca]?.contains(feed.name) ?? false
            if isThere, feed.isWanted {
                _ = machine.feeds.came(place, on: link, now, into: &out.records)
            } else if isThere, feed.standing.isAsked {
                machine.feeds.list[place].standing.isConfirmed = true
            } else if !isThere, feed.standing.isAsked, feed.isWanted {
                refuse(
                    place, "the service does not list it: check the symbol", now, into: &out)
            }
        }
    }

    /// The service takes nothing of a request, and does not say which symbol or channel it refuses.
    /// So the channels are asked for one by one, and then fewer symbols, until it is one.
    private mutating func refusedRequest(
        _ why: String, _ code: AlpacaCode, on link: Int, _ now: Moment,
        into out: inout StreamMachine.Output
    ) {
        let request = machine.links[link].asking.request
        machine.links[link].asking.request = nil
        machine.counters.links.refusedRequests &+= 1
        out.note(.refusedRequest(reason: why))
        guard let request, request.isSubscribing else { return }
        machine.links[link].asking.isBehind = true
        let isOfOneChannel = Set(request.feeds.map { machine.feeds.list[$0].channel }).count == 1
        if request.feeds.count == 1, code == .symbols {
            return noRoom(for: request.feeds[0], why, now, into: &out)
        }
        if request.feeds.count == 1 || code == .channel && isOfOneChannel {
            for place in request.feeds { refuse(place, why, now, into: &out) }
            return
        }
        for place in request.feeds { machine.feeds.list[place].standing.isAsked = false }
        if isOfOneChannel {
            machine.links[link].asking.feedsMax = max(1, request.feeds.count / 2)
        }
        machine.links[link].asking.isByChannel = true
    }

    /// The account has no room for one symbol, so it has none for others of its channel.
    private mutating func noRoom(
        for feed: Int, _ why: String, _ now: Moment, into out: inout StreamMachine.Output
    ) {
        let channel = machine.feeds.list[feed].channel
        for place in machine.feeds.list.indices
        where machine.feeds.list[place].isWanted && machine.feeds.list[place].channel == channel {
            let other = machine.feeds.list[place]
            guard place == feed || !other.standing.isAsked && other.refusal.why.isEmpty else {
                continue
            }
            refuse(place, why, lacksRoom: true, now, into: &out)
        }
    }
}

/// The service's codes of errors that mean something to this engine. All others are trouble of the
/// service.
enum AlpacaCode: Int, CaseIterable, Sendable {
    case syntax = 400
    case notAuthenticated = 401
    case wrongKey = 402
    case authenticated = 403
    case late = 404
    case symbols = 405
    case occupied = 406
    case slow = 407
    case version = 408
    case subscription = 409
    case channel = 410
    case scope = 411

    /// It is about the request that waits for its answer.
    var isOfRequest: Bool { [.syntax, .symbols, .channel].contains(self) }

    /// Only the account's owner can end it.
    var isOfAccount: Bool { [.wrongKey, .version, .subscription, .scope].contains(self) }

    /// What a person can do.
    static func advice(_ code: AlpacaCode?) -> String {
        switch code {
        case .syntax: "write the symbol as Alpaca does, like AAPL or BTC/USD, and check ALPACA_FEED"
        case .notAuthenticated, .wrongKey:
            "check ALPACA_API_KEY and ALPACA_API_SECRET, and that both are of one key"
        case .authenticated: "nothing is to be done"
        case .late: StreamAdvice.late
        case .symbols: "remove instruments or kinds of data, or choose a larger plan"
        case .occupied: StreamAdvice.occupied
        case .slow: StreamAdvice.slow
        case .version: "ask Alpaca to allow this account the streams v2"
        case .subscription: "set ALPACA_FEED to what the plan has, as iex, or choose a larger plan"
        case .channel: "remove this kind of data, or set another ALPACA_FEED"
        case .scope: "make a key that may read market data"
        case nil: "look at status.alpaca.markets, and wait"
        }
    }
}
