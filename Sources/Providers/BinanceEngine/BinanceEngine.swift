package import EngineKit
package import MarketModel
package import Primitives

/// The exchange's streams, as a machine: what happens goes in, and records, wishes and notes come
/// out. It has no clock and no socket. Trades of one symbol have dense ids, so it is known exactly
/// which are missing; the trades of all connections are merged by these ids.
package struct BinanceEngine: StreamVenue {
    let settings: BinanceSettings
    package var machine: StreamMachine
    var reader = BinanceReader()
    var lookUps = BinanceLookUps()
    /// The books that the tape has, by feed.
    var books: [Int: BinanceBook] = [:]

    package init(_ settings: BinanceSettings) {
        self.settings = settings
        var rules = StreamRules(
            .always, perRequest: BinanceLimits.streamsPerRequest, occupiedWait: 0)
        rules.greets = false
        rules.probes = true
        rules.requestInterval = BinanceLimits.requestInterval
        rules.merge = settings.merge
        machine = StreamMachine(
            settings.stream, rules, channels: BinanceChannel.allCases.count,
            lags: [ClosedRange<Int64>?](repeating: 0...0, count: 2 * settings.merge.legs))
    }

    // MARK: what is wanted

    /// Changes what is wanted. `gaps` are those that an earlier process left.
    package mutating func follow(
        begun: [BegunInstrument], ended: [UInt32], gaps: [OpenGap] = [], _ now: Moment,
        into out: inout StreamMachine.Output
    ) {
        for feed in books.keys.sorted() where ended.contains(machine.feeds.list[feed].instrument) {
            void(feed, now, into: &out)
        }
        let places = machine.follow(
            StreamFeeds.Orders(begun: begun, ended: ended, gaps: gaps),
            begun.map { plan(of: $0.instrument) }, now, into: &out)
        if settings.merge.fills { lookUps.add(places) }
    }

    /// Begins one kind of an instrument's data again.
    package mutating func restart(_ instrument: UInt32, _ kind: DataKind) {
        guard kind == .depth else { return }
        for feed in books.keys where machine.feeds.list[feed].instrument == instrument {
            books[feed] = nil
        }
    }

    // MARK: messages

    /// A message came on a connection.
    package mutating func received(
        _ bytes: RawSpan, isText: Bool, on number: UInt32, _ now: Moment,
        into out: inout StreamMachine.Output
    ) {
        guard let link = machine.link(number) else { return }
        guard isText else {
            machine.hear(link, sent: .undefined, isEvent: false, now)
            return machine.skip(.binary, into: &out)
        }
        let message = reader.read(bytes, received: now.wall, machine.feeds.places)
        machine.hear(link, sent: reader.sent, isEvent: message.isEvent, now)
        switch message {
        case .trade(let trade): machine.arrived(trade, on: link, now, into: &out)
        case .beside: take(reader.beside, on: link, now, into: &out)
        case .answer(let id, let refusal): answered(id, refusal, on: link, now, into: &out)
        case .shutdown: machine.willEnd(link, now, into: &out)
        case .skipped(let reason): machine.skip(reason, into: &out)
        }
    }

    /// What comes beside trades has rising numbers with holes, so an outage is a gap by time alone,
    /// and each record says that it may stand for several events. Bars follow each other in time.
    private mutating func take(
        _ message: BinanceReader.Beside, on link: Int, _ now: Moment,
        into out: inout StreamMachine.Output
    ) {
        switch message {
        case .quote(let feed, var quote):
            let id = quote.header.providerID
            guard machine.isNew(id, of: feed, on: link, now, into: &out) else { return }
            quote.header.symbol = machine.feeds.list[feed].instrument
            machine.counters.quotes &+= 1
            machine.deliver(.quote(quote), at: now.wall, of: feed, now, into: &out)
        case .book(let feed, let id):
            guard machine.isNew(id, of: feed, on: link, now, into: &out) else { return }
            take(reader.book, of: feed, id, now, into: &out)
        case .bar(let feed, let bar):
            guard machine.isExpected(feed, on: link, now, into: &out) else { return }
            machine.deliver(window: bar, of: feed, now, into: &out)
        case .misfit(let feed, let text):
            guard machine.isExpected(feed, on: link, now, into: &out) else { return }
            machine.leaveOut(text, at: now.wall, of: feed, now, into: &out)
        case .skipped(let reason): machine.skip(reason, into: &out)
        case .unfinished: break
        }
    }

    /// Puts the changes of a book's rows on record.
    private mutating func take(
        _ book: BinanceBook, of feed: Int, _ id: UInt64, _ now: Moment,
        into out: inout StreamMachine.Output
    ) {
        var header = BinanceReader.header(id, now.wall)
        header.symbol = machine.feeds.list[feed].instrument
        if books[feed] == nil {
            machine.deliver(
                .depthReset(DepthReset(header: header, reason: .reset)), at: now.wall, of: feed,
                now, into: &out)
        }
        books[feed, default: BinanceBook()].become(book) { side, operation, place, row in
            machine.counters.beside.rows &+= 1
            machine.deliver(
                .depth(
                    DepthUpdate(
                        header: header, position: UInt32(truncatingIfNeeded: place), side: side,
                        operation: operation, price: row.price, size: row.size)), at: now.wall,
                of: feed, now, into: &out)
        }
    }

    /// The rows of a book are void.
    private mutating func void(
        _ feed: Int, _ now: Moment, into out: inout StreamMachine.Output
    ) {
        books[feed] = nil
        let header = machine.feeds.list[feed].header(at: now.wall)
        out.records.append(
            .tape(.depthReset(DepthReset(header: header, reason: .disconnected))))
    }

    private mutating func voidUndelivered(_ now: Moment, into out: inout StreamMachine.Output) {
        for feed in books.keys.sorted() where !machine.feeds.list[feed].isDelivered {
            void(feed, now, into: &out)
        }
    }

    // MARK: requests

    package func text(of request: StreamRequest) -> String {
        let feeds = request.feeds.map { "\"\(name(of: machine.feeds.list[$0]))\"" }
        let params = "\"params\":[\(feeds.joined(separator: ","))],"
        let what =
            feeds.isEmpty
            ? "\"LIST_SUBSCRIPTIONS\","
            : request.isSubscribing ? "\"SUBSCRIBE\",\(params)" : "\"UNSUBSCRIBE\",\(params)"
        return "{\"method\":\(what)\"id\":\(request.number)}"
    }

    package mutating func unanswered(
        on link: Int, _ now: Moment, into out: inout StreamMachine.Output
    ) {
        machine.giveUp(link, "a request has no answer", .failed, now, into: &out)
    }

    /// A request has its answer. A refusal without an id is that of the only request.
    private mutating func answered(
        _ id: UInt64, _ refusal: String, on link: Int, _ now: Moment,
        into out: inout StreamMachine.Output
    ) {
        guard let request = machine.links[link].asking.request,
            id == request.number || id == 0 && !refusal.isEmpty
        else { return }
        machine.links[link].asking.request = nil
        defer { machine.noteComplete(link, now) }
        guard request.isSubscribing else { return }
        guard refusal.isEmpty else {
            return refused(request, refusal, on: link, now, into: &out)
        }
        machine.links[link].asking.feedsMax = min(
            machine.links[link].asking.feedsMax * 2, BinanceLimits.streamsPerRequest)
        for place in request.feeds where machine.feeds.list[place].on[link].isAsked {
            machine.feeds.list[place].on[link].isConfirmed = true
            if machine.feeds.list[place].isWanted {
                machine.feeds.confirm(place, now, into: &out.records)
            }
        }
    }

    /// The exchange does not say which stream it refuses, so fewer are asked for together, until it
    /// is one.
    private mutating func refused(
        _ request: StreamRequest, _ refusal: String, on link: Int, _ now: Moment,
        into out: inout StreamMachine.Output
    ) {
        machine.counters.links.refusedRequests &+= 1
        guard request.feeds.count == 1, let place = request.feeds.first else {
            out.note(.refusedRequest(reason: refusal))
            for place in request.feeds { machine.feeds.list[place].on[link].isAsked = false }
            machine.links[link].asking.feedsMax = max(1, request.feeds.count / 2)
            machine.links[link].asking.isBehind = true
            return
        }
        let shown = refusal.prefix(StreamLimits.textCharactersMax)
        let reason = "the exchange refuses its stream: \(shown): \(Self.symbolAdvice)"
        // While another connection delivers it, it is not refused.
        guard machine.feeds.list[place].isDelivered else {
            return refuse(LinkedFeed(place, on: link), reason, now, into: &out)
        }
        machine.feeds.list[place].on[link].isRefused = true
        out.note(
            .refused(instrument: machine.feeds.list[place].instrument, reason: reason))
    }

    /// A request for the past has an answer, or will have none.
    package mutating func answered(
        _ number: UInt64, _ answer: StreamAnswer, _ now: Moment,
        into out: inout StreamMachine.Output
    ) {
        guard machine.holes.isAnswered(number) else { return }
        if number == lookUps.number { return lookedUp(answer, now, into: &out) }
        machine.fetched(answer, now, into: &out) {
            BinancePage.trades($0, feed: $1, received: now.wall)
        }
    }

    // MARK: connections and time

    /// A connection has ended, or was not made.
    package mutating func ended(
        _ number: UInt32, _ why: String, _ now: Moment, into out: inout StreamMachine.Output
    ) {
        machine.ended(number, why, now, into: &out)
        voidUndelivered(now, into: &out)
    }

    /// Does what is due.
    package mutating func timePassed(_ now: Moment, into out: inout StreamMachine.Output) {
        guard !machine.isStopped else { return }
        serve(now, into: &out)
        voidUndelivered(now, into: &out)
        guard machine.holes.asked == nil, now.monotonic >= machine.holes.pace.at,
            !lookUp(into: &out), let fetch = machine.nextFetch(now, into: &out)
        else { return }
        out.wishes.append(
            .fetch(
                BinancePastRequest.trades(
                    fetch.number, fetch.symbol, from: fetch.from, count: fetch.count
                ).fetch(of: fetch.symbol)))
    }

    /// The next moment at which `timePassed` has something to do.
    package var nextDue: MonotonicTime {
        let isAsking = machine.holes.asked == nil && !lookUps.groups.isEmpty
        return machine.isStopped || !isAsking
            ? machine.nextDue : min(machine.nextDue, machine.holes.pace.at)
    }

    // MARK: state

    package var status: StreamShown {
        var status = machine.status
        // Of books alone the name is that of the stream.
        for place in status.feeds.indices {
            status.feeds[place].name = status.feeds[place].name.uppercased()
        }
        return status
    }

    package func limits(_ now: MonotonicTime) -> [ProviderLimit] {
        let waiting = machine.holes.count + lookUps.groups.count
        return machine.limits(now) + [machine.holes.pace.limit(waiting: waiting, now)]
    }
}
