internal import EngineKit
package import MarketModel
internal import Primitives

// The connections: to the market and to the news.
extension AlpacaEngine {
    /// A connection that lasted so long ends a row of failures.
    private static let steadyAfter: Int64 = 30_000_000_000

    /// A connection is open.
    package mutating func opened(
        _ number: AlpacaConnection, _ now: Moment, into out: inout AlpacaOutput
    ) {
        guard let link = links.firstIndex(where: { $0.number == number && $0.state == .opening })
        else { return }
        links[link].state = .greeting
        links[link].due = now.monotonic + AlpacaLimits.answerAfter
        counters.links.opened &+= 1
        show(into: &out)
    }

    /// A connection has ended, or was not made.
    package mutating func ended(
        _ number: AlpacaConnection, _ why: String, _ now: Moment, into out: inout AlpacaOutput
    ) {
        guard let link = links.firstIndex(where: { $0.number == number && $0.state != .closed })
        else { return }
        lost(link, settings.hidden.taken(outOf: why), .failed, now, into: &out)
    }

    /// Why a connection is not there.
    private enum Loss {
        /// It failed. Each failure in a row doubles the wait.
        case failed
        /// Only the account's owner can end it.
        case refused
        /// Another session is there: that is no failure.
        case occupied
        /// It answers pings, and its stream has stopped.
        case stopped
    }

    /// Gives a connection up by the engine's own decision.
    mutating func giveUp(
        _ link: Int, _ why: String, _ now: Moment, into out: inout AlpacaOutput
    ) {
        giveUp(link, why, .failed, now, into: &out)
    }

    private mutating func giveUp(
        _ link: Int, _ why: String, _ loss: Loss, _ now: Moment, into out: inout AlpacaOutput
    ) {
        out.wishes.append(.close(links[link].number))
        lost(link, why, loss, now, into: &out)
    }

    private mutating func lost(
        _ link: Int, _ why: String, _ loss: Loss, _ now: Moment, into out: inout AlpacaOutput
    ) {
        let wasReady = links[link].state == .ready
        let lasted = wasReady ? now.monotonic - links[link].readyAt : 0
        if loss == .stopped {
            // Once: a market that has closed must not end one connection after the other.
            links[link].heard.pace.forget()
            feeds.doubt(link: links[link].endpoint.rawValue, now)
        } else if wasReady {
            links[link].heard.pace.pause(now.monotonic)
        }
        counters.links.failures &+= 1
        links[link].reason = why
        links[link].state = .closed
        links[link].asking.request = nil
        // Each attempt that finds the other session still there is no news.
        let isNews = loss != .occupied || !links[link].isOccupied
        links[link].isOccupied = loss == .occupied
        if loss == .occupied {
            links[link].retry.wait(exactly: AlpacaLimits.occupiedWait, now)
        } else {
            links[link].retry.failed(wasSteady: lasted >= Self.steadyAfter)
            links[link].retry.wait(
                atLeast: loss == .refused ? AlpacaLimits.refusedWait : 0, now)
        }
        if isNews {
            out.note(
                .lost(
                    links[link].endpoint,
                    failures: loss == .occupied ? 0 : links[link].retry.failures, reason: why))
        }
        for place in feeds.list.indices
        where feeds.list[place].ofAlpaca.endpoint == links[link].endpoint {
            feeds.list[place].standing.isAsked = false
            feeds.endDelivery(place, .disconnected, why, now, into: &out.records)
        }
        show(into: &out)
    }

    mutating func serve(_ link: Int, _ now: Moment, into out: inout AlpacaOutput) {
        guard links[link].isWanted else {
            feeds.forgetDoubt(link: links[link].endpoint.rawValue)
            guard links[link].state != .closed else { return }
            out.wishes.append(.close(links[link].number))
            links[link].state = .closed
            links[link].asking.request = nil
            for place in feeds.list.indices
            where feeds.list[place].ofAlpaca.endpoint == links[link].endpoint {
                feeds.list[place].standing = StreamStanding()
            }
            return
        }
        switch links[link].state {
        case .closed:
            guard now.monotonic >= links[link].retry.at else { return }
            lastNumber &+= 1
            links[link].number = lastNumber
            links[link].state = .opening
            out.wishes.append(.open(lastNumber, links[link].endpoint))
        case .opening: break
        case .greeting, .authenticating:
            guard now.monotonic >= links[link].due else { return }
            giveUp(link, "the service does not answer", now, into: &out)
        case .ready:
            if links[link].asking.request != nil, now.monotonic >= links[link].due {
                return giveUp(link, "a request has no answer", now, into: &out)
            }
            if now.monotonic >= links[link].heard.pace.stopsAt(silentAfter: settings.silentAfter) {
                return giveUp(link, "its stream has stopped", .stopped, now, into: &out)
            }
            let again = feeds.askAgain(link: links[link].endpoint.rawValue, now.monotonic)
            askAgain(again, link)
            ask(link, now, into: &out)
        }
    }

    // MARK: what the service says of a connection

    mutating func take(
        _ control: AlpacaControl, on link: Int, _ now: Moment, into out: inout AlpacaOutput
    ) {
        switch control {
        case .connected:
            guard links[link].state == .greeting else { return }
            links[link].state = .authenticating
            links[link].due = now.monotonic + AlpacaLimits.answerAfter
            out.wishes.append(.authenticate(links[link].number))
        case .authenticated:
            guard links[link].state == .authenticating else { return }
            links[link].state = .ready
            links[link].readyAt = now.monotonic
            links[link].heard.pace.resume(now.monotonic)
            links[link].asking.isBehind = true
            links[link].asking.symbolsMax = AlpacaLimits.symbolsPerRequest
            links[link].asking.isByChannel = false
            links[link].refusal = ""
            links[link].reason = ""
            links[link].symbolsRefused = ""
            links[link].isOccupied = false
            show(into: &out)
        case .error(let code, let text): failed(code, text, on: link, now, into: &out)
        case .subscribed(let lists): subscribed(lists, on: link, now, into: &out)
        }
    }

    private mutating func failed(
        _ code: Int, _ text: String, on link: Int, _ now: Moment, into out: inout AlpacaOutput
    ) {
        let known = AlpacaCode(rawValue: code)
        let said = "the service says: \(text) (\(code)): \(AlpacaCode.advice(known))"
        if known == .authenticated { return }
        if let known, known.isOfRequest {
            if known == .symbols { links[link].symbolsRefused = said }
            return refusedRequest(said, known, on: link, now, into: &out)
        }
        if known == .occupied {
            counters.links.occupied &+= 1
            return giveUp(link, said, .occupied, now, into: &out)
        }
        guard known?.isOfAccount == true else { return giveUp(link, said, now, into: &out) }
        if links[link].refusal.isEmpty { out.note(.refusedAccount(reason: said)) }
        links[link].refusal = said
        giveUp(link, said, .refused, now, into: &out)
        for place in feeds.list.indices
        where feeds.list[place].isWanted
            && feeds.list[place].ofAlpaca.endpoint == links[link].endpoint
        {
            if feeds.list[place].state != .refused {
                feeds.report(.refused, of: place, now, into: &out.records)
            }
        }
    }

    // MARK: requests

    /// Sends the next request of a connection, if its time has come. There is one at a time, since
    /// no answer names its request.
    private mutating func ask(_ link: Int, _ now: Moment, into out: inout AlpacaOutput) {
        guard links[link].asking.request == nil, links[link].asking.isBehind,
            now.monotonic >= links[link].asking.sendAt
        else { return }
        let endpoint = links[link].endpoint
        let own = feeds.list.indices.filter { feeds.list[$0].ofAlpaca.endpoint == endpoint }
        // What ended goes first: an account has only so many symbols.
        let ended = own.filter { !feeds.list[$0].isWanted && feeds.list[$0].standing.isAsked }
            .prefix(AlpacaLimits.symbolsPerRequest)
        guard ended.isEmpty else {
            for place in ended {
                feeds.list[place].standing.isAsked = false
                feeds.list[place].standing.isConfirmed = false
            }
            return request(link, .unsubscribe, Array(ended), now, into: &out)
        }
        let wanted = own.filter {
            feeds.list[$0].isWanted && !feeds.list[$0].standing.isAsked
                && feeds.list[$0].refusal.isEmpty
        }
        let isByChannel = links[link].asking.isByChannel
        let begun = wanted.filter {
            !isByChannel || feeds.list[$0].channel == feeds.list[wanted[0]].channel
        }.prefix(links[link].asking.symbolsMax)
        guard begun.isEmpty else {
            for place in begun { feeds.list[place].standing.isAsked = true }
            return request(link, .subscribe, Array(begun), now, into: &out)
        }
        links[link].asking.isBehind = false
    }

    private mutating func request(
        _ link: Int, _ kind: AlpacaRequest.Kind, _ asked: [Int], _ now: Moment,
        into out: inout AlpacaOutput
    ) {
        var json = JSONWriter()
        json.object { json in
            json.member("action", kind == .unsubscribe ? "unsubscribe" : "subscribe")
            for channel in AlpacaChannel.allCases {
                let names = asked.filter { feeds.list[$0].ofAlpaca == channel }.map {
                    feeds.list[$0].name
                }
                guard !names.isEmpty else { continue }
                json.member(
                    channel.name, array: { list in for name in names { list.value(name) } })
            }
        }
        out.wishes.append(.send(links[link].number, json.text))
        links[link].asking.request = AlpacaRequest(kind: kind, feeds: asked)
        links[link].due = now.monotonic + AlpacaLimits.answerAfter
        links[link].asking.sendAt = now.monotonic + AlpacaLimits.requestInterval
        links[link].sent.add(1, now.monotonic)
    }

    /// The whole list of what is subscribed to came: the answer to a request.
    private mutating func subscribed(
        _ lists: [AlpacaChannel: Set<String>], on link: Int, _ now: Moment,
        into out: inout AlpacaOutput
    ) {
        guard let request = links[link].asking.request else { return }
        links[link].asking.request = nil
        switch request.kind {
        case .subscribe:
            links[link].asking.symbolsMax = min(
                links[link].asking.symbolsMax * 2, AlpacaLimits.symbolsPerRequest)
        case .unsubscribe: askAgain(feeds.madeRoom(link: links[link].endpoint.rawValue), link)
        }
        for place in feeds.list.indices
        where feeds.list[place].ofAlpaca.endpoint == links[link].endpoint {
            let feed = feeds.list[place]
            let isThere = lists[feed.ofAlpaca]?.contains(feed.name) ?? false
            if isThere, feed.isWanted {
                _ = feeds.came(place, now, into: &out.records)
            } else if isThere, feed.standing.isAsked {
                feeds.list[place].standing.isConfirmed = true
            } else if !isThere, feed.standing.isAsked, feed.isWanted {
                let why = "the service does not list it: check the symbol"
                if feed.standing.isConfirmed {
                    feeds.endDelivery(place, .providerLoss, why, now, into: &out.records)
                }
                refuse(place, why, now, into: &out)
            }
        }
    }

    /// Asks for what was refused before. Where it lacked room, one symbol goes first: without room
    /// for it there is none for the others.
    private mutating func askAgain(_ asking: StreamFeeds.Asking, _ link: Int) {
        if asking == .nothing { return }
        links[link].asking.isBehind = true
        guard asking == .feedsWithoutRoom else { return }
        links[link].asking.isByChannel = true
        links[link].asking.symbolsMax = 1
    }

    /// The service takes nothing of a request, and does not say which symbol or channel it refuses.
    /// So the channels are asked for one by one, and then fewer symbols, until it is one.
    private mutating func refusedRequest(
        _ why: String, _ code: AlpacaCode, on link: Int, _ now: Moment, into out: inout AlpacaOutput
    ) {
        let request = links[link].asking.request
        links[link].asking.request = nil
        counters.links.refusedRequests &+= 1
        out.note(.refusedRequest(reason: why))
        guard let request, request.kind == .subscribe else { return }
        links[link].asking.isBehind = true
        let isOfOneChannel = Set(request.feeds.map { feeds.list[$0].channel }).count == 1
        if request.feeds.count == 1, code == .symbols {
            return noRoom(for: request.feeds[0], why, on: link, now, into: &out)
        }
        if request.feeds.count == 1 || code == .channel && isOfOneChannel {
            for place in request.feeds { refuse(place, why, now, into: &out) }
            return
        }
        for place in request.feeds { feeds.list[place].standing.isAsked = false }
        if isOfOneChannel { links[link].asking.symbolsMax = max(1, request.feeds.count / 2) }
        links[link].asking.isByChannel = true
    }

    /// The account has no room for one symbol, so it has none for others of its channel.
    private mutating func noRoom(
        for feed: Int, _ why: String, on link: Int, _ now: Moment, into out: inout AlpacaOutput
    ) {
        let channel = feeds.list[feed].channel
        for place in feeds.list.indices
        where feeds.list[place].isWanted && feeds.list[place].channel == channel {
            let isAwaited = !feeds.list[place].standing.isAsked && feeds.list[place].refusal.isEmpty
            guard place == feed || isAwaited else { continue }
            refuse(place, why, lacksRoom: true, now, into: &out)
        }
    }
}
