package import EngineKit
package import MarketModel
internal import Primitives

// Which symbols are wanted, and what the exchange is asked for.
extension BinanceEngine {
    package typealias Begun = BegunInstrument

    /// Changes what is wanted. `gaps` are those that an earlier process left.
    package mutating func follow(
        begun: [Begun], ended: [UInt32], gaps: [OpenGap] = [], _ now: Moment,
        into out: inout BinanceOutput
    ) {
        // What is in both lists goes on: its ids show what did not come in between.
        let both = Set(begun.map(\.number)).intersection(ended)
        var before: [Int] = []
        // What waits for room has not taken over what an earlier process left.
        let left = refused.filter { both.contains($0.item.number) }.flatMap(\.gaps)
        for number in ended {
            refused.removeAll { $0.item.number == number }
            for place in feeds.indices
            where feeds[place].instrument == number && feeds[place].isWanted {
                feeds[place].isWanted = false
                feeds[place].isAnnounced = false
                feeds[place].state = .starting
                endSide(place, now, into: &out)
                if both.contains(number) {
                    before.append(place)
                } else {
                    forget(place, now, into: &out)
                }
            }
        }
        lookUp(begin(begun, both, gaps + left, now, into: &out))
        for place in before where !feeds[place].isWanted {
            leave(place, now, into: &out)
        }
        for leg in legs.indices {
            legs[leg].grow(to: feeds.count)
            legs[leg].isBehind = true
            legs[leg].readyAt = nil
        }
    }

    /// Begins instruments, and those that had to wait for others until now. What goes on keeps its
    /// room, then what waits has its turn. Returns the places of the feeds that speak for them.
    private mutating func begin(
        _ begun: [Begun], _ both: Set<UInt32>, _ gaps: [OpenGap], _ now: Moment,
        into out: inout BinanceOutput
    ) -> [Int] {
        let goOn = begun.filter { both.contains($0.number) }
        let fresh = begun.filter { !both.contains($0.number) }
        var places = goOn.compactMap { begin($0, gaps, now, into: &out).first }
        let before = refused
        for refusal in before where refusal.waits {
            if problem(of: refusal.item)?.waits == true { continue }
            refused.removeAll { $0.item.number == refusal.item.number }
            places += begin(refusal.item, refusal.gaps, now, into: &out).prefix(1)
        }
        places += fresh.compactMap { begin($0, gaps, now, into: &out).first }
        return places
    }

    /// Ends a feed of an instrument that goes on without it: with another symbol, which takes over
    /// what is missing, or without this kind of data.
    private mutating func leave(_ place: Int, _ now: Moment, into out: inout BinanceOutput) {
        let feed = feeds[place]
        let isReplaced = feeds.contains {
            $0.isWanted && $0.instrument == feed.instrument && $0.kind == feed.kind
        }
        guard !isReplaced else {
            feeds[place].side = BinanceSide()
            feeds[place].openGap = nil
            return
        }
        feeds[place].settleGap(
            now.wall, .abandoned, "this kind of data is not wanted any more", at: now.wall,
            into: &out.records)
        out.records.append(.tape(.subscription(subscription(feed, .stop, now))))
        forget(place, now, into: &out)
    }

    /// Forgets what a feed has delivered: what it lacks from here on, nobody wants.
    private mutating func forget(_ place: Int, _ now: Moment, into out: inout BinanceOutput) {
        dropHoles(of: place, "the instrument is not wanted", at: now.wall, into: &out)
        forgetAhead(place)
        feeds[place].last = BinanceTrade()
        feeds[place].side = BinanceSide()
        feeds[place].openGap = nil
    }

    /// Returns the places of its feeds, the one that speaks for it first; none: it is refused.
    private mutating func begin(
        _ item: Begun, _ gaps: [OpenGap], _ now: Moment, into out: inout BinanceOutput
    ) -> [Int] {
        let own = gaps.filter { $0.instrument == item.number }
        if let problem = problem(of: item) {
            refused.append(
                BinanceRefused(
                    item: item, gaps: problem.waits ? own : [], reason: problem.reason,
                    waits: problem.waits))
            out.note(.refused(instrument: item.number, reason: problem.reason))
            out.records.append(
                .feed(FeedState(instrument: item.number, state: .refused, time: now.wall)))
            return []
        }
        let name = Self.name(of: item.instrument)
        return Self.kinds(of: item.instrument).map { kind in
            let stream = BinanceStreamName(symbol: name, kind: kind)
            return begin(stream, of: item, own.filter { $0.kind == kind }, now, into: &out)
        }
    }

    /// Begins one stream of an instrument, and returns the place of its feed.
    private mutating func begin(
        _ stream: BinanceStreamName, of item: Begun, _ left: [OpenGap], _ now: Moment,
        into out: inout BinanceOutput
    ) -> Int {
        let former = feeds.last {
            $0.instrument == item.number && $0.kind == stream.kind && $0.name != stream.symbol
        }
        let known = places.find(stream)
        let place = known ?? feeds.count
        if known == nil {
            places.add(stream, feed: place)
            feeds.append(BinanceFeed(instrument: item.number, stream: stream))
        } else if feeds[place].instrument != item.number {
            feeds[place] = BinanceFeed(instrument: item.number, stream: stream)
        }
        feeds[place].isWanted = true
        feeds[place].side.isFollower = Self.kinds(of: item.instrument).first != stream.kind
        if feeds[place].refusal != nil {
            feeds[place].refusal = nil
            for leg in legs.indices where !legs[leg].streams[place].isConfirmed {
                legs[leg].streams[place].isAsked = false
            }
        }
        feeds[place].reason = Self.absent(of: item.instrument)
        report(.starting, of: place, now, into: &out)
        feeds[place].inherited += left.filter { $0.to.isDefined }
        guard feeds[place].openGap == nil, feeds[place].last.id == 0 else { return place }
        let open = left.filter { !$0.to.isDefined }.min { $0.from < $1.from }
        if former == nil, stream.kind == .trade, let last = item.last,
            open != nil || item.reached.isDefined
        {
            // Its ids go on where an earlier process ended.
            feeds[place].last.id = last.id
            feeds[place].last.time = last.time
        }
        if let open {
            feeds[place].openGap = UnendedGap(from: open.from, reason: open.reason)
        } else {
            resume(place, item, former, now, into: &out)
        }
        for leg in legs.indices { legs[leg].grow(to: feeds.count) }
        if isDelivered(place) {
            confirm(place, now, into: &out)
        }
        return place
    }

    /// Sets the state of a feed, and reports it if the feed speaks for its instrument.
    mutating func report(
        _ state: FeedState.State, of place: Int, _ now: Moment, into out: inout BinanceOutput
    ) {
        feeds[place].state = state
        guard !feeds[place].side.isFollower else { return }
        out.records.append(
            .feed(
                FeedState(
                    instrument: feeds[place].instrument, state: state, time: now.wall)))
    }

    /// Begins with what is missing already: since an earlier process, or since the instrument had
    /// another symbol. It is on record at once, because the floor rises without a connection, too.
    private mutating func resume(
        _ place: Int, _ item: Begun, _ former: BinanceFeed?, _ now: Moment,
        into out: inout BinanceOutput
    ) {
        if let gap = former?.openGap {
            feeds[place].openGap = gap
        } else if let former, former.last.id > 0 || former.side.last.isDefined {
            beginGap(of: place, from: end(of: former), .gatewayLost, now.wall, into: &out)
        } else if feeds[place].last.id > 0 {
            let from = feeds[place].last.time
            beginGap(of: place, from: from, .gatewayLost, now.wall, into: &out)
        } else if item.reached.isDefined {
            // Trades of before may have been under way.
            let from = item.reached.advanced(byNanoseconds: -settings.delayMax)
            beginGap(of: place, from: from, .gatewayLost, now.wall, into: &out)
        }
    }

    /// Returns why an instrument cannot be delivered, and whether it waits for the end of another
    /// one; `nil`: it can.
    private func problem(of item: Begun) -> (reason: String, waits: Bool)? {
        let name = Self.name(of: item.instrument)
        let kinds = Self.kinds(of: item.instrument)
        guard item.instrument.contract.security == .crypto else {
            return ("only coins come from here: security: crypto", false)
        }
        guard !kinds.isEmpty else {
            return ("only trades, quotes, bars and books come from here, as feeds: trades", false)
        }
        guard Self.isSymbol(name) else {
            return ("'\(name)' is no symbol of the exchange: write it like BTCUSDT", false)
        }
        let isTaken = feeds.contains {
            $0.isWanted && $0.name == name && $0.instrument != item.number
        }
        if isTaken { return ("\(name) is asked for by another instrument", true) }
        let wanted = feeds.count { $0.isWanted && $0.instrument != item.number }
        guard wanted + kinds.count <= settings.streamsMax else {
            return (Self.tooMany(settings.streamsMax), true)
        }
        return nil
    }

    /// The kinds of data of an instrument that come from here, in the order of
    /// `BinanceStreamName.kinds`.
    private static func kinds(of instrument: Instrument) -> [DataKind] {
        var kinds = instrument.feeds.kinds
        if !instrument.feeds.contains(.bars) { kinds.remove(.providerBar) }
        return BinanceStreamName.kinds.filter(kinds.contains)
    }

    /// Says which feeds of an instrument do not come from here; empty: all come.
    private static func absent(of instrument: Instrument) -> String {
        let known: Instrument.Feeds = [
            .level1, .trades, .allTrades, .quotes, .bars, .depth, .smartDepth,
        ]
        return instrument.feeds.isSubset(of: known)
            ? "" : "only its trades, quotes, bars and book come from here"
    }

    /// Returns the exchange's symbol: the one in the contract, else our own.
    static func name(of instrument: Instrument) -> String {
        let own = instrument.contract.providerSymbol
        return (own.isEmpty ? instrument.symbol.text : own).uppercased()
    }

    /// The exchange's symbols need no escapes in JSON, and no character that separates streams.
    private static func isSymbol(_ name: String) -> Bool {
        let banned = Set("\"\\/@,! ".utf8)
        return (1...BinanceLimits.symbolBytesMax).contains(name.utf8.count)
            && name.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7f && !banned.contains($0) }
    }

    // MARK: requests

    /// Sends the next request of a connection, if its time has come.
    mutating func ask(_ place: Int, _ now: Moment, into out: inout BinanceOutput) {
        var leg = legs[place]
        defer { legs[place] = leg }
        let isQuiet = now.monotonic >= leg.heard.at + settings.silentAfter / 2
        guard leg.isBehind || isQuiet && !leg.isProbing, now.monotonic >= leg.sendAt else {
            if !isQuiet { leg.isProbing = false }
            return
        }
        if leg.isBehind {
            // What ended goes first: a connection has only so many streams.
            let ended = feeds.indices.filter { !feeds[$0].isWanted && leg.streams[$0].isAsked }
                .prefix(BinanceLimits.streamsPerRequest)
            if !ended.isEmpty {
                for feed in ended {
                    leg.streams[feed].isAsked = false
                    leg.streams[feed].isConfirmed = false
                    leg.streams[feed].lastID = 0
                }
                return request(&leg, .unsubscribe, Array(ended), now, into: &out)
            }
            let begun = feeds.indices.filter { feeds[$0].isWanted && !leg.streams[$0].isAsked }
                .prefix(leg.streamsMax)
            if !begun.isEmpty {
                for feed in begun { leg.streams[feed].isAsked = true }
                return request(&leg, .subscribe, Array(begun), now, into: &out)
            }
            leg.isBehind = false
            noteReady(&leg, now)
        }
        guard isQuiet, !leg.isProbing else { return }
        leg.isProbing = true
        request(&leg, .probe, [], now, into: &out)
    }

    private mutating func request(
        _ leg: inout BinanceLeg, _ kind: BinanceRequest.Kind, _ asked: [Int], _ now: Moment,
        into out: inout BinanceOutput
    ) {
        numbers.request &+= 1
        let streams = asked.map { "\"\(feeds[$0].stream.text(settings.bars))\"" }
            .joined(separator: ",")
        let text =
            switch kind {
            case .subscribe:
                "{\"method\":\"SUBSCRIBE\",\"params\":[\(streams)],\"id\":\(numbers.request)}"
            case .unsubscribe:
                "{\"method\":\"UNSUBSCRIBE\",\"params\":[\(streams)],\"id\":\(numbers.request)}"
            case .probe: "{\"method\":\"LIST_SUBSCRIPTIONS\",\"id\":\(numbers.request)}"
            }
        out.wishes.append(.send(leg.number, text))
        leg.sendAt = now.monotonic + BinanceLimits.requestInterval
        numbers.sent.add(1, now.monotonic)
        leg.requests.append(
            BinanceRequest(
                id: numbers.request, kind: kind, feeds: asked,
                due: now.monotonic + BinanceLimits.answerAfter))
    }

    /// Handles the answer to a request.
    mutating func answered(
        _ id: UInt64, _ refusal: String, on number: Int, _ now: Moment,
        into out: inout BinanceOutput
    ) {
        var leg = legs[number]
        // A refusal without an id is that of the oldest request.
        let place =
            leg.requests.firstIndex { $0.id == id } ?? (refusal.isEmpty || id != 0 ? nil : 0)
        guard let place, place < leg.requests.count else { return }
        let request = leg.requests.remove(at: place)
        var confirmed: [Int] = []
        if request.kind == .subscribe {
            if refusal.isEmpty {
                confirmed = request.feeds.filter { leg.streams[$0].isAsked }
                for feed in confirmed { leg.streams[feed].isConfirmed = true }
                leg.streamsMax = min(leg.streamsMax * 2, BinanceLimits.streamsPerRequest)
            } else {
                refuse(request, refusal, &leg, now, into: &out)
            }
        }
        noteReady(&leg, now)
        legs[number] = leg
        for feed in confirmed where feeds[feed].isWanted { confirm(feed, now, into: &out) }
    }

    /// Handles a refused subscription. The exchange does not say which stream it refuses, so fewer
    /// are asked for together, until it is one. That one is asked for again on the next connection.
    private mutating func refuse(
        _ request: BinanceRequest, _ refusal: String, _ leg: inout BinanceLeg, _ now: Moment,
        into out: inout BinanceOutput
    ) {
        counters.links.refusedRequests &+= 1
        guard let feed = request.feeds.first, request.feeds.count == 1 else {
            out.note(.refusedRequest(reason: refusal))
            for feed in request.feeds { leg.streams[feed].isAsked = false }
            leg.streamsMax = max(1, request.feeds.count / 2)
            leg.isBehind = true
            return
        }
        guard feeds[feed].isWanted else { return }
        let shown = refusal.prefix(BinanceLimits.refusalCharactersMax)
        let reason = "the exchange refuses its stream: \(shown): \(Self.symbolAdvice)"
        out.note(.refused(instrument: feeds[feed].instrument, reason: reason))
        // While another connection delivers it, it is not refused.
        guard feeds[feed].state != .live else { return }
        feeds[feed].refusal = BinanceRefusal(reason: reason)
        report(.refused, of: feed, now, into: &out)
    }

    /// Notes when the exchange has answered for all that is wanted on a connection.
    private func noteReady(_ leg: inout BinanceLeg, _ now: Moment) {
        guard leg.readyAt == nil, !leg.requests.contains(where: { $0.kind == .subscribe }),
            feeds.indices.allSatisfy({ !feeds[$0].isWanted || leg.streams[$0].isAsked })
        else { return }
        leg.readyAt = now.monotonic
    }

    /// The trades of a feed come on a connection.
    mutating func confirm(_ place: Int, _ now: Moment, into out: inout BinanceOutput) {
        if feeds[place].refusal?.isUnknown == true { return }
        if feeds[place].state != .live {
            feeds[place].refusal = nil
            if feeds[place].last.id == 0 { feeds[place].liveSince = now.wall }
            report(.live, of: place, now, into: &out)
        }
        if !feeds[place].isAnnounced { announce(place, now, into: &out) }
        // Without an id from before, no later id can say what the gap lost.
        if feeds[place].openGap != nil, feeds[place].last.id == 0, !isBarAwaited(place) {
            // What is missing has the exchange's times, where the stream has any.
            let known = feeds[place].hasTimes ? clock.ahead ?? 0 : 0
            let end = now.wall.advanced(byNanoseconds: known > 0 ? known + settings.delayMax : 0)
            feeds[place].settleGap(
                end, .abandoned,
                feeds[place].kind == .trade
                    ? "no trade id from before it is known" : "nothing tells what was left out",
                at: now.wall, into: &out.records)
        }
    }

    private mutating func announce(_ place: Int, _ now: Moment, into out: inout BinanceOutput) {
        feeds[place].isAnnounced = true
        let left = feeds[place].inherited
        feeds[place].inherited = left.filter { !takeHole($0, of: place) }
        feeds[place].announce(
            subscription(feeds[place], .start, now), "nothing fetches these trades",
            at: now.wall, into: &out.records)
    }

    func subscription(
        _ feed: BinanceFeed, _ action: SubscriptionAction, _ now: Moment
    ) -> SubscriptionRecord {
        SubscriptionRecord(
            header: feed.header(at: now.wall), action: action, kind: feed.kind, mode: .live,
            provider: settings.provider)
    }
}
