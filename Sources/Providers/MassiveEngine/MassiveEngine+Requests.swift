package import EngineKit
package import MarketModel
internal import Primitives

// What the service says of the connection, and what it is asked for. Each word of a request, as
// `T.AAPL`, has an answer.
extension MassiveEngine {
    /// The only one.
    private static let link = 0

    private var request: StreamRequest? {
        get { machine.links[Self.link].asking.request }
        set { machine.links[Self.link].asking.request = newValue }
    }

    mutating func take(
        _ control: MassiveControl, _ now: Moment, into out: inout StreamMachine.Output
    ) {
        switch control {
        case .connected: machine.greeted(Self.link, now, into: &out)
        case .authenticated: machine.authenticated(Self.link, now, into: &out)
        case .refusedAccount(let text): refusedAccount(text, now, into: &out)
        case .occupied(let text):
            machine.giveUp(
                Self.link, "the service says: \(text): \(StreamAdvice.occupied)", .occupied, now,
                into: &out)
        case .subscribed(let words): subscribed(words, now, into: &out)
        case .unsubscribed(let words): unsubscribed(words, now, into: &out)
        case .error(let text):
            if machine.links[Self.link].state == .ready {
                return refusedRequest(text, now, into: &out)
            }
            refusedAccount(text.shownOnLine(StreamLimits.textCharactersMax), now, into: &out)
        case .other(let word, let text):
            machine.counters.skip(.unknown)
            let text = "\(word): \(text)"
            if let advice = MassiveAdvice.ofEnd[word] {
                machine.links[Self.link].lastSaid = "the service says: \(text): \(advice)"
            }
            out.note(.trouble(instrument: nil, "Massive says: \(text)"))
        }
    }

    private mutating func refusedAccount(
        _ text: String, _ now: Moment, into out: inout StreamMachine.Output
    ) {
        machine.refusedAccount(
            Self.link, "the service says: \(text): \(MassiveAdvice.ofAccount)", now, into: &out)
    }

    package func name(of feed: StreamFeed) -> String { MassiveChannel.word(feed) }

    package func text(of request: StreamRequest) -> String {
        let words = request.feeds.map { MassiveChannel.word(machine.feeds.list[$0]) }
        var json = JSONWriter()
        json.object { json in
            json.member("action", request.isSubscribing ? "subscribe" : "unsubscribe")
            json.member("params", words.joined(separator: ","))
        }
        return json.text
    }

    /// Returns the feed of a word; `nil`: it was never asked for.
    private func feed(_ word: String) -> Int? {
        guard let dot = word.firstIndex(of: "."),
            let channel = MassiveChannel.named(word[..<dot])
        else { return nil }
        return machine.feeds.places.feed(
            String(word[word.index(after: dot)...]), channel.number)
    }

    /// Takes feeds out of the request that waits for their answers.
    private mutating func answered(_ known: [Int]) {
        guard let request else { return }
        let rest = request.feeds.filter { !known.contains($0) }
        self.request?.feeds = rest
        if rest.isEmpty { self.request = nil }
    }

    private mutating func subscribed(
        _ words: [String], _ now: Moment, into out: inout StreamMachine.Output
    ) {
        guard machine.links[Self.link].state == .ready else { return }
        let known = words.compactMap { feed($0) }
        for place in known where machine.feeds.list[place].standing.isAsked {
            machine.feeds.list[place].standing.isConfirmed = true
            // The service says only after this that another session is there.
            guard machine.feeds.list[place].isWanted, !machine.links[Self.link].isOccupied else {
                continue
            }
            machine.feeds.confirm(place, now, into: &out.records)
        }
        answered(known)
    }

    /// The service has not answered all words of a request. It is silent about a channel that it
    /// does not have, so those words are refused if it said anything since.
    package mutating func unanswered(
        on link: Int, _ now: Moment, into out: inout StreamMachine.Output
    ) {
        guard let request else { return }
        // Nothing may have been subscribed to, and then nothing is said.
        guard request.isSubscribing else { return self.request = nil }
        guard request.isHeard else {
            return machine.giveUp(link, "a request has no answer", .failed, now, into: &out)
        }
        self.request = nil
        let why =
            request.refusal.isEmpty
            ? "the service does not answer to it: \(MassiveAdvice.ofRequest)" : request.refusal
        // What came shows that it is delivered, without an answer.
        for place in request.feeds where !machine.feeds.list[place].standing.isConfirmed {
            refuse(place, why, now, into: &out)
            // An answer that is late, or a record, shows that it is delivered.
            machine.feeds.list[place].standing.isAsked = true
        }
    }

    /// The service refuses a word of a request, or several. If it names none, those are refused
    /// that it does not confirm meanwhile.
    private mutating func refusedRequest(
        _ text: String, _ now: Moment, into out: inout StreamMachine.Output
    ) {
        let shown = text.shownOnLine(StreamLimits.textCharactersMax)
        let why = "the service says: \(shown): \(MassiveAdvice.ofRequest)"
        machine.counters.links.refusedRequests &+= 1
        out.note(.refusedRequest(reason: why))
        guard let request, request.isSubscribing else { return }
        let words = Set(text.split { $0 == " " || $0 == "," || $0 == ":" }.map(String.init))
        let named = request.feeds.filter {
            words.contains(MassiveChannel.word(machine.feeds.list[$0]))
        }
        for place in named { refuse(place, why, now, into: &out) }
        if named.isEmpty {
            self.request?.refusal = why
            machine.links[Self.link].due = min(
                machine.links[Self.link].due, now.monotonic + MassiveLimits.refusalAfter)
        }
        answered(named)
    }

    /// The service confirms that words are no longer subscribed to.
    private mutating func unsubscribed(
        _ words: [String], _ now: Moment, into out: inout StreamMachine.Output
    ) {
        let known = words.compactMap { feed($0) }
        for place in known where machine.feeds.list[place].isWanted {
            // It is wanted again meanwhile, and was confirmed by a record on its way.
            machine.feeds.endDelivery(
                LinkedFeed(place, on: Self.link), .providerLoss, "it was unsubscribed", now,
                into: &out.records)
            machine.links[Self.link].asking.isBehind = true
        }
        answered(known)
    }
}

/// What a person can do about what the service refuses.
enum MassiveAdvice {
    static let ofAccount =
        "check MASSIVE_API_KEY and the plan, and set MASSIVE_FEED=delayed for a delayed one"
    static let ofRequest =
        "check the symbol, remove this kind of data, or choose a plan that has it"
    /// By the status before a connection ends.
    static let ofEnd = [
        "auth_timeout": StreamAdvice.late,
        "slow_consumer": StreamAdvice.slow,
        "force_disconnect": "it is connected again by itself",
    ]
}
