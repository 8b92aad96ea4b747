package import EngineKit
package import MarketModel
internal import Primitives

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
        var json = JSONWriter()
        json.object { json in
            json.member("action", request.isSubscribing ? "subscribe" : "unsubscribe")
            for channel in AlpacaChannel.allCases {
                let names = asked.filter { $0.ofAlpaca == channel }.map(\.name)
                guard !names.isEmpty else { continue }
                json.array(channel.name) { list in for name in names { list.value(name) } }
            }
        }
        return json.text
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
