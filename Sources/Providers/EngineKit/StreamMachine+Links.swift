package import MarketModel
internal import Primitives

// The links: what becomes of a connection.
extension StreamMachine {
    /// A connection that lasted so long ends a row of failures.
    private static let steadyAfter: Int64 = 30_000_000_000

    /// A connection is open.
    mutating func opened(_ number: UInt32, _ now: Moment, into out: inout Output) {
        guard let link = link(number), links[link].state == .opening else { return }
        counters.links.opened &+= 1
        guard rules.greets else { return begin(link, now, into: &out) }
        links[link].state = .greeting
        links[link].due = now.monotonic + StreamLimits.answerAfter
        show(into: &out)
    }

    /// A connection has ended, or was not made.
    package mutating func ended(
        _ number: UInt32, _ why: String, _ now: Moment, into out: inout Output
    ) {
        guard let link = link(number) else { return }
        // What the service has said of the end tells more than the end.
        let said = links[link].lastSaid
        lost(
            link, said.isEmpty ? settings.hidden.taken(outOf: why) : said, .failed, now,
            into: &out)
    }

    /// Why a connection is not there.
    package enum Loss: Sendable {
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
    package mutating func giveUp(
        _ link: Int, _ why: String, _ loss: Loss, _ now: Moment, into out: inout Output
    ) {
        if loss == .occupied { counters.links.occupied &+= 1 }
        out.wishes.append(.close(links[link].number))
        lost(link, why, loss, now, into: &out)
    }

    private mutating func lost(
        _ link: Int, _ why: String, _ loss: Loss, _ now: Moment, into out: inout Output
    ) {
        let wasReady = links[link].state == .ready
        let isSteady = wasReady && now.monotonic - links[link].readyAt >= Self.steadyAfter
        if wasReady { links[link].heard.pace.pause(now.monotonic) }
        counters.links.failures &+= 1
        links[link].reason = why
        links[link].lastSaid = ""
        links[link].state = .closed
        links[link].asking.request = nil
        if rules.merge != nil {
            lastReason = links[link].renewal.isSuccessor ? lastReason : why
            release(now, into: &out)
        }
        if !isReplaced(link, why, now, into: &out) {
            if loss != .occupied { links[link].retry.failed(wasSteady: isSteady) }
            wait(link, why, loss, now, into: &out)
        }
        if loss == .stopped {
            // Once: a market that has closed must not end one connection after the other.
            links[link].heard.pace.forget()
            if rules.merge == nil { feeds.doubt(link: link, now) }
        }
        endDelivery(on: link, why, now, into: &out)
    }

    /// Nothing comes on a link any more.
    mutating func endDelivery(
        on link: Int, _ why: String, _ now: Moment, into out: inout Output
    ) {
        for place in feeds.list.indices where feeds.list[place].channel.comes(on: link) {
            feeds.endDelivery(
                LinkedFeed(place, on: link), .disconnected, why, now, into: &out.records)
        }
        show(into: &out)
    }

    /// Waits for the next attempt, because no other connection of the same feeds is there.
    private mutating func wait(
        _ link: Int, _ why: String, _ loss: Loss, _ now: Moment, into out: inout Output
    ) {
        // Each attempt that finds the other session still there is no news.
        let isNews = loss != .occupied || !links[link].isOccupied
        links[link].isOccupied = loss == .occupied
        if loss == .occupied {
            links[link].retry.wait(exactly: rules.occupiedWait, now)
        } else {
            if loss != .refused { links[link].refusal = "" }
            links[link].retry.wait(
                atLeast: loss == .refused ? StreamLimits.refusedWait : 0, now)
        }
        guard isNews else { return }
        let isAlone = rules.merge == nil || !links.contains { $0.state == .ready }
        out.note(
            .lost(
                link: link, failures: loss == .occupied ? 0 : links[link].retry.failures,
                reason: why, isAlone: isAlone))
    }

    // MARK: time

    /// What a venue has to do for a link.
    enum Due {
        /// The request has no answer, or not all.
        case unanswered
        /// A request is to be sent.
        case ask(StreamRequest)
    }

    /// Does what is due on the links. Returns what the venue has to do.
    mutating func serve(_ now: Moment, into out: inout Output) -> [(link: Int, due: Due)] {
        var all: [(link: Int, due: Due)] = []
        for link in links.indices {
            if let due = serve(link, now, into: &out) { all.append((link, due)) }
        }
        if rules.merge != nil {
            renewIfDue(now, into: &out)
            takeOverIfDue(now, into: &out)
            release(now, into: &out)
        }
        return all
    }

    private mutating func serve(_ link: Int, _ now: Moment, into out: inout Output) -> Due? {
        guard links[link].isWanted else {
            leave(link, into: &out)
            return nil
        }
        switch links[link].state {
        case .closed:
            guard now.monotonic >= links[link].retry.at else { return nil }
            open(link, into: &out)
        case .opening: break
        case .greeting, .authenticating:
            guard now.monotonic >= links[link].due else { return nil }
            giveUp(link, "the service does not answer", .failed, now, into: &out)
        case .ready:
            if links[link].isOccupied, now.monotonic >= links[link].readyAt + rules.provenAfter {
                proven(link, now, into: &out)
            }
            if links[link].asking.request != nil, now.monotonic >= links[link].due {
                return .unanswered
            }
            if rules.probes, now.monotonic >= links[link].heard.at + settings.silentAfter {
                giveUp(link, "it is silent", .failed, now, into: &out)
                return nil
            }
            if now.monotonic >= links[link].heard.pace.stopsAt(silentAfter: settings.silentAfter) {
                giveUp(link, "its stream has stopped", .stopped, now, into: &out)
                return nil
            }
            askAgain(feeds.askAgain(link: link, now.monotonic), on: link)
            return nextRequest(link, now).map { .ask($0) }
        }
        return nil
    }

    /// Begins an attempt. `reason`: why, if that is to be said.
    mutating func open(_ link: Int, _ reason: String = "", into out: inout Output) {
        lastNumber &+= 1
        links[link].number = lastNumber
        links[link].state = .opening
        out.wishes.append(.open(lastNumber, link: link))
        show(reason, into: &out)
    }

    /// Nothing of a link is wanted any more.
    private mutating func leave(_ link: Int, into out: inout Output) {
        feeds.forgetDoubt(link: link)
        guard links[link].state != .closed else { return }
        out.wishes.append(.close(links[link].number))
        links[link].state = .closed
        links[link].asking.request = nil
        for place in feeds.list.indices where feeds.list[place].channel.comes(on: link) {
            feeds.list[place].on[link] = StreamStanding()
            feeds.list[place].refusal.isAskedAgain = false
        }
    }

    /// No other session is there any more: what the service has confirmed is delivered.
    private mutating func proven(_ link: Int, _ now: Moment, into out: inout Output) {
        links[link].isOccupied = false
        for place in feeds.list.indices
        where feeds.list[place].isWanted && feeds.list[place].on[link].isConfirmed {
            feeds.confirm(place, now, into: &out.records)
        }
        show(into: &out)
    }

    // MARK: what the service says of a connection

    /// The service says that it is connected.
    package mutating func greeted(_ link: Int, _ now: Moment, into out: inout Output) {
        guard links[link].state == .greeting else { return }
        links[link].state = .authenticating
        links[link].due = now.monotonic + StreamLimits.answerAfter
        out.wishes.append(.authenticate(links[link].number))
    }

    /// The service takes the key.
    package mutating func authenticated(_ link: Int, _ now: Moment, into out: inout Output) {
        guard links[link].state == .authenticating else { return }
        begin(link, now, into: &out)
    }

    /// Requests can be sent.
    private mutating func begin(_ link: Int, _ now: Moment, into out: inout Output) {
        links[link].state = .ready
        links[link].readyAt = now.monotonic
        links[link].heard.at = now.monotonic
        if let merge = rules.merge { beginAge(link, merge, now) }
        links[link].heard.pace.resume(now.monotonic)
        links[link].asking = StreamAsking(perRequest: rules.perRequest)
        links[link].refusal = ""
        if rules.provenAfter == 0 { links[link].isOccupied = false }
        if !links[link].isOccupied { links[link].reason = "" }
        show(into: &out)
    }

    /// The service takes neither the key nor the plan that this needs.
    package mutating func refusedAccount(
        _ link: Int, _ why: String, _ now: Moment, into out: inout Output
    ) {
        if links[link].refusal.isEmpty { out.note(.refusedAccount(reason: why)) }
        links[link].refusal = why
        giveUp(link, why, .refused, now, into: &out)
        for place in feeds.list.indices
        where feeds.list[place].isWanted && feeds.list[place].channel.comes(on: link)
            && feeds.list[place].state != .refused
        {
            feeds.report(.refused, of: place, now, into: &out.records)
        }
    }

    // MARK: requests

    /// Returns the next request of a link, if its time has come. There is one at a time. What ended
    /// goes first: an account has only so many symbols.
    private mutating func nextRequest(_ link: Int, _ now: Moment) -> StreamRequest? {
        let asking = links[link].asking
        guard asking.request == nil, now.monotonic >= asking.sendAt else { return nil }
        guard asking.isBehind else { return probe(link, now) }
        let ended = feeds.list.indices.filter {
            !feeds.list[$0].isWanted && feeds.list[$0].on[link].isAsked
        }.prefix(rules.perRequest)
        guard ended.isEmpty else {
            for place in ended { feeds.list[place].on[link] = StreamStanding() }
            return request(Array(ended), isSubscribing: false)
        }
        let wanted = feeds.list.indices.filter { feeds.list[$0].isMissing(on: link) }
        let begun = wanted.filter {
            !asking.isByChannel || feeds.list[$0].channel == feeds.list[wanted[0]].channel
        }.prefix(asking.feedsMax)
        guard begun.isEmpty else {
            for place in begun { feeds.list[place].on[link].isAsked = true }
            return request(Array(begun), isSubscribing: true)
        }
        links[link].asking.isBehind = false
        noteComplete(link, now)
        return probe(link, now)
    }

    private mutating func request(_ feeds: [Int], isSubscribing: Bool) -> StreamRequest {
        lastRequest &+= 1
        return StreamRequest(lastRequest, feeds, isSubscribing: isSubscribing)
    }

    /// Sends a request.
    mutating func send(
        _ request: StreamRequest, _ text: String, on link: Int, _ now: Moment,
        into out: inout Output
    ) {
        out.wishes.append(.send(links[link].number, text))
        links[link].asking.request = request
        links[link].due = now.monotonic + StreamLimits.answerAfter
        links[link].asking.sendAt = now.monotonic + rules.requestInterval
        links[link].sent.add(1, now.monotonic)
    }

    /// Returns a question to a connection that has been silent for long, once.
    private mutating func probe(_ link: Int, _ now: Moment) -> StreamRequest? {
        guard rules.probes else { return nil }
        let isQuiet = now.monotonic >= links[link].heard.at + settings.silentAfter / 2
        defer { links[link].asking.isProbing = isQuiet }
        return isQuiet && !links[link].asking.isProbing ? request([], isSubscribing: false) : nil
    }

    /// When a silent connection is asked for an answer, or given up.
    func probeDue(_ link: Int) -> MonotonicTime {
        let quiet = links[link].asking.isProbing ? settings.silentAfter : settings.silentAfter / 2
        return links[link].heard.at + quiet
    }

    /// Asks for what was refused before. Where it lacked room, one feed goes first: without room
    /// for it there is none for the others.
    package mutating func askAgain(_ asking: StreamFeeds.Asking, on link: Int) {
        if asking == .nothing { return }
        links[link].asking.isBehind = true
        guard asking == .feedsWithoutRoom else { return }
        links[link].asking.isByChannel = true
        links[link].asking.feedsMax = 1
    }
}
