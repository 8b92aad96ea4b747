internal import EngineKit
internal import MarketModel
internal import Primitives

// What the service is asked for. There is one request at a time, and each of its words has an
// answer.
extension MassiveEngine {
    /// Sends the next request, if its time has come.
    mutating func ask(_ now: Moment, into out: inout MassiveOutput) {
        guard link.asking.request == nil, link.asking.isBehind,
            now.monotonic >= link.asking.sendAt
        else { return }
        let all = feeds.list.indices
        let ended = all.filter { !feeds.list[$0].isWanted && feeds.list[$0].standing.isAsked }
            .prefix(MassiveLimits.symbolsPerRequest)
        guard ended.isEmpty else {
            for place in ended {
                feeds.list[place].standing.isAsked = false
                feeds.list[place].standing.isConfirmed = false
            }
            return request(Array(ended), isSubscribing: false, now, into: &out)
        }
        let wanted = all.filter {
            feeds.list[$0].isWanted && !feeds.list[$0].standing.isConfirmed
                && feeds.list[$0].refusal.isEmpty
        }
        let begun = wanted.prefix(MassiveLimits.symbolsPerRequest)
        guard begun.isEmpty else {
            for place in begun { feeds.list[place].standing.isAsked = true }
            return request(Array(begun), isSubscribing: true, now, into: &out)
        }
        link.asking.isBehind = false
    }

    private mutating func request(
        _ asked: [Int], isSubscribing: Bool, _ now: Moment, into out: inout MassiveOutput
    ) {
        var json = JSONWriter()
        json.object { json in
            json.member("action", isSubscribing ? "subscribe" : "unsubscribe")
            json.member(
                "params",
                asked.map { MassiveChannel.word(feeds.list[$0]) }.joined(separator: ","))
        }
        out.wishes.append(.send(link.number, json.text))
        link.asking.request = MassiveRequest(isSubscribing: isSubscribing, feeds: asked)
        link.due = now.monotonic + MassiveLimits.answerAfter
        link.asking.sendAt = now.monotonic + MassiveLimits.requestInterval
        link.sent.add(1, now.monotonic)
    }

    /// Returns the feed of a word; `nil`: it was never asked for.
    private func feed(_ word: String) -> Int? {
        guard let dot = word.firstIndex(of: "."),
            let channel = MassiveChannel.named(word[..<dot])
        else { return nil }
        return feeds.places.feed(String(word[word.index(after: dot)...]), channel.number)
    }

    /// Takes words out of the request that waits for their answers.
    mutating func answered(_ words: [String]) {
        guard let request = link.asking.request else { return }
        let known = Set(words.compactMap { feed($0) })
        let rest = request.feeds.filter { !known.contains($0) }
        link.asking.request?.feeds = rest
        if rest.isEmpty { link.asking.request = nil }
    }

    mutating func subscribed(
        _ words: [String], _ now: Moment, into out: inout MassiveOutput
    ) {
        guard link.state == .ready else { return }
        for word in words {
            guard let place = feed(word), feeds.list[place].standing.isAsked else { continue }
            feeds.list[place].standing.isConfirmed = true
            // The service says only after this that another session is there.
            guard feeds.list[place].isWanted, !link.isOccupied else { continue }
            feeds.confirm(place, now, into: &out.records)
        }
        answered(words)
    }

    mutating func refuse(
        _ place: Int, _ why: String, _ now: Moment, into out: inout MassiveOutput
    ) {
        feeds.endDelivery(place, .providerLoss, why, now, into: &out.records)
        guard feeds.refuse(place, why, now, into: &out.records) else { return }
        counters.links.refusedFeeds &+= 1
        let feed = feeds.list[place]
        out.note(
            .refused(
                instrument: feed.instrument, reason: "\(MassiveChannel.word(feed)): \(why)"))
    }

    /// The service has not answered all words of a request. It is silent about a channel that it
    /// does not have, so those words are refused if it said anything since.
    mutating func unanswered(_ now: Moment, into out: inout MassiveOutput) {
        guard let request = link.asking.request else { return }
        // Nothing may have been subscribed to, and then nothing is said.
        guard request.isSubscribing else { return link.asking.request = nil }
        guard request.isHeard else {
            return giveUp("a request has no answer", .failed, now, into: &out)
        }
        link.asking.request = nil
        let why =
            request.refusal.isEmpty
            ? "the service does not answer to it: \(MassiveAdvice.ofRequest)" : request.refusal
        // What came shows that it is delivered, without an answer.
        for place in request.feeds where !feeds.list[place].standing.isConfirmed {
            refuse(place, why, now, into: &out)
            // An answer that is late, or a record, shows that it is delivered.
            feeds.list[place].standing.isAsked = true
        }
    }

    /// The service refuses a word of a request, or several. If it names none, those are refused
    /// that it does not confirm meanwhile.
    mutating func refusedRequest(
        _ text: String, _ now: Moment, into out: inout MassiveOutput
    ) {
        let shown = text.shownOnLine(MassiveLimits.textCharactersMax)
        let why = "the service says: \(shown): \(MassiveAdvice.ofRequest)"
        counters.links.refusedRequests &+= 1
        out.note(.refusedRequest(reason: why))
        guard let request = link.asking.request, request.isSubscribing else { return }
        let words = Set(text.split { $0 == " " || $0 == "," || $0 == ":" }.map(String.init))
        let named = request.feeds.filter { words.contains(MassiveChannel.word(feeds.list[$0])) }
        for place in named { refuse(place, why, now, into: &out) }
        if named.isEmpty {
            link.asking.request?.refusal = why
            link.due = min(link.due, now.monotonic + MassiveLimits.refusalAfter)
        }
        answered(named.map { MassiveChannel.word(feeds.list[$0]) })
    }

    /// The service confirms that words are no longer subscribed to.
    mutating func unsubscribed(
        _ words: [String], _ now: Moment, into out: inout MassiveOutput
    ) {
        for place in words.compactMap({ feed($0) }) where feeds.list[place].isWanted {
            // It is wanted again meanwhile, and was confirmed by a record on its way.
            feeds.endDelivery(
                place, .providerLoss, "it was unsubscribed", now, into: &out.records)
            link.asking.isBehind = true
        }
        answered(words)
    }
}
