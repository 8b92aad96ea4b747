package import MarketModel
package import Primitives

// Links of which each delivers all. A leg has two: that of the present connection, and that of the
// one which follows when the present one is old, or when the service will end it.
extension StreamMachine {
    /// The other link of a leg.
    private func twin(of link: Int) -> Int { (link + links.count / 2) % links.count }

    /// A message came on a link. `sent`: the service's time in it; undefined: it has none.
    /// `isEvent`: whether it is of the market.
    package mutating func hear(_ link: Int, sent: Timestamp, isEvent: Bool, _ now: Moment) {
        counters.messages &+= 1
        links[link].heard.at = now.monotonic
        if isEvent { links[link].heard.pace.note(1, now.monotonic) }
        guard sent.isDefined else { return }
        links[link].heard.note(sent)
        feeds.clock.note(sent, now)
    }

    /// A new connection begins to grow old.
    mutating func beginAge(_ link: Int, _ merge: MergeRules, _ now: Moment) {
        links[link].renewal.age =
            links[link].renewal.isEarly ? merge.renewAfter / 2 : merge.renewAfter
        links[link].renewal.isEarly = false
        links[link].renewal.at = now.monotonic + links[link].renewal.age
        links[link].renewal.completeAt = nil
        lastReason = ""
    }

    /// Notes when the service has answered for all that is wanted on a link.
    package mutating func noteComplete(_ link: Int, _ now: Moment) {
        guard links[link].renewal.completeAt == nil,
            links[link].asking.request?.isSubscribing != true,
            !feeds.list.contains(where: { $0.isMissing(on: link) })
        else { return }
        links[link].renewal.completeAt = now.monotonic
    }

    /// The service says that it will end a connection.
    package mutating func willEnd(_ link: Int, _ now: Moment, into out: inout Output) {
        counters.links.shutdowns &+= 1
        links[link].renewal.at = now.monotonic
        renewIfDue(now, into: &out)
    }

    /// Begins a successor of a connection that is old, or that the service will end. Also when the
    /// service says so of each, they follow no faster than other attempts.
    mutating func renewIfDue(_ now: Moment, into out: inout Output) {
        for link in links.indices
        where links[link].state == .ready && now.monotonic >= renewalDue(link) {
            guard !links[link].renewal.isSuccessor else { continue }
            let (next, old) = (twin(of: link), links[link])
            links[link].retry.wait(now)
            links[next].isWanted = true
            links[next].heard = LastHeard()
            links[next].heard.pace = old.heard.pace
            open(
                next,
                old.renewal.at == old.readyAt + old.renewal.age
                    ? "it is \(old.renewal.age / 60_000_000_000) minutes old"
                    : "\(service) will end the connection", into: &out)
        }
    }

    /// When a connection gets its successor, or takes over from its predecessor.
    func renewalDue(_ link: Int) -> MonotonicTime {
        guard let merge = rules.merge else { return .never }
        if links[link].renewal.isSuccessor {
            return links[link].renewal.completeAt.map { $0 + merge.overlap } ?? .never
        }
        return links[twin(of: link)].state == .closed
            ? max(links[link].renewal.at, links[link].retry.at) : .never
    }

    /// Closes connections whose successors have delivered beside them for long enough.
    mutating func takeOverIfDue(_ now: Moment, into out: inout Output) {
        for link in links.indices
        where links[link].renewal.isSuccessor && links[link].state == .ready
            && now.monotonic >= renewalDue(link)
        {
            takeOver(link)
            let old = twin(of: link)
            out.wishes.append(.close(links[old].number))
            links[old].state = .closed
            links[old].asking.request = nil
            release(now, into: &out)
            endDelivery(on: old, "", now, into: &out)
        }
    }

    private mutating func takeOver(_ link: Int) {
        let old = twin(of: link)
        links[link].renewal.isSuccessor = false
        links[link].retry = links[old].retry
        links[old].renewal.isSuccessor = true
        links[old].isWanted = false
        counters.links.renewals &+= 1
    }

    /// Returns whether the other link of a leg has a connection after one of them has ended.
    mutating func isReplaced(
        _ link: Int, _ why: String, _ now: Moment, into out: inout Output
    ) -> Bool {
        guard rules.merge != nil else { return false }
        let other = twin(of: link)
        if links[link].renewal.isSuccessor {
            links[link].isWanted = false
            links[other].retry.wait(now)
            out.note(
                .trouble(
                    instrument: nil,
                    "the next connection failed, the present one goes on: \(why)"))
            return true
        }
        guard links[other].state != .closed else { return false }
        takeOver(other)
        return true
    }
}
