internal import EngineKit
package import MarketModel
internal import Primitives

// The connections: each link has one, and beside it for a while the one that follows.
extension BinanceEngine {
    /// A connection that lasted so long ends a row of failures.
    private static let steadyAfter: Int64 = 30_000_000_000

    func present(of link: Int) -> Int? {
        legs.firstIndex { $0.link == link && !$0.isSuccessor }
    }

    func successor(of link: Int) -> Int? {
        legs.firstIndex { $0.link == link && $0.isSuccessor }
    }

    /// Whether a connection delivers a feed.
    func isDelivered(_ feed: Int) -> Bool {
        legs.contains { $0.state == .open && $0.streams[feed].isConfirmed }
    }

    /// A connection is open.
    package mutating func opened(
        _ number: BinanceLegNumber, _ now: Moment, into out: inout BinanceOutput
    ) {
        guard let place = legs.firstIndex(where: { $0.number == number }),
            legs[place].state == .opening
        else { return }
        let link = legs[place].link
        legs[place].state = .open
        legs[place].openedAt = now.monotonic
        legs[place].heard.at = now.monotonic
        legs[place].heard.pace.resume(now.monotonic)
        legs[place].age = links[link].isEarly ? settings.renewAfter / 2 : settings.renewAfter
        legs[place].renewAt = now.monotonic + legs[place].age
        links[link].isEarly = false
        reason = ""
        counters.links.opened &+= 1
        show(into: &out)
    }

    /// A connection has ended, or was not made.
    package mutating func ended(
        _ number: BinanceLegNumber, _ why: String, _ now: Moment,
        into out: inout BinanceOutput
    ) {
        guard let place = legs.firstIndex(where: { $0.number == number }) else { return }
        let leg = legs.remove(at: place)
        counters.links.failures &+= 1
        if leg.isSuccessor {
            links[leg.link].retry.wait(now)
            out.note(.successorLost(reason: why))
        } else if let next = successor(of: leg.link) {
            reason = why
            legs[next].isSuccessor = false
            counters.links.renewals &+= 1
        } else {
            reason = why
            links[leg.link].pace = leg.heard.pace
            links[leg.link].pace.pause(now.monotonic)
            let lasted = leg.state == .open ? now.monotonic - leg.openedAt : 0
            links[leg.link].retry.failed(wasSteady: lasted >= Self.steadyAfter)
            links[leg.link].retry.wait(now)
            let failures = links[leg.link].retry.failures
            let isAlone = !legs.contains { $0.state == .open }
            out.note(
                isAlone
                    ? .lost(failures: failures, reason: why)
                    : .oneLost(failures: failures, reason: why))
        }
        lost(now, into: &out)
    }

    /// Notes that there is one connection less.
    private mutating func lost(_ now: Moment, into out: inout BinanceOutput) {
        releaseAll(now, into: &out)
        beginOutage(now, into: &out)
        show(into: &out)
    }

    /// Gives a connection up by the engine's own decision.
    private mutating func giveUp(
        _ number: BinanceLegNumber, _ reason: String, _ now: Moment,
        into out: inout BinanceOutput
    ) {
        out.wishes.append(.close(number))
        ended(number, reason, now, into: &out)
    }

    private mutating func begin(
        _ link: Int, isSuccessor: Bool, into out: inout BinanceOutput
    ) {
        numbers.leg &+= 1
        let pace = present(of: link).map { legs[$0].heard.pace } ?? links[link].pace
        var leg = BinanceLeg(number: numbers.leg, link: link, isSuccessor: isSuccessor, pace)
        leg.grow(to: feeds.count)
        legs.append(leg)
        out.wishes.append(.open(numbers.leg))
        show(into: &out)
    }

    mutating func connectIfDue(_ now: Moment, into out: inout BinanceOutput) {
        for link in links.indices
        where present(of: link) == nil && now.monotonic >= links[link].retry.at {
            begin(link, isSuccessor: false, into: &out)
        }
    }

    mutating func serveAll(_ now: Moment, into out: inout BinanceOutput) {
        var place = 0
        while place < legs.count {
            let number = legs[place].number
            serve(place, now, into: &out)
            if place < legs.count, legs[place].number == number { place += 1 }
        }
    }

    private mutating func serve(_ place: Int, _ now: Moment, into out: inout BinanceOutput) {
        let leg = legs[place]
        guard leg.state == .open else { return }
        if let due = leg.requests.first?.due, now.monotonic >= due {
            return giveUp(leg.number, "a request has no answer", now, into: &out)
        }
        if now.monotonic >= leg.heard.at + settings.silentAfter {
            return giveUp(leg.number, "it is silent", now, into: &out)
        }
        if now.monotonic >= leg.heard.pace.stopsAt(silentAfter: settings.silentAfter) {
            // Once: a market that is quiet must not end one connection after the other.
            legs[place].heard.pace.forget()
            return giveUp(leg.number, "its stream has stopped", now, into: &out)
        }
        ask(place, now, into: &out)
    }

    /// Begins a successor of a connection that is old, or that the exchange will end. Also when the
    /// exchange says so of each, they follow no faster than other attempts.
    mutating func renewIfDue(_ now: Moment, into out: inout BinanceOutput) {
        for link in links.indices {
            guard let place = present(of: link), legs[place].state == .open,
                successor(of: link) == nil,
                now.monotonic >= max(legs[place].renewAt, links[link].retry.at)
            else { continue }
            let leg = legs[place]
            links[link].retry.wait(now)
            begin(link, isSuccessor: true, into: &out)
            out.note(
                .renewing(
                    reason: leg.renewAt == leg.openedAt + leg.age
                        ? "it is \(leg.age / 60_000_000_000) minutes old"
                        : "the exchange will end the connection"))
        }
    }

    /// Closes connections whose successors have delivered beside them for long enough.
    mutating func takeOverIfDue(_ now: Moment, into out: inout BinanceOutput) {
        for link in links.indices {
            guard let next = successor(of: link), let ready = legs[next].readyAt,
                now.monotonic >= ready + settings.overlap
            else { continue }
            legs[next].isSuccessor = false
            if let old = legs.firstIndex(where: {
                $0.link == link && $0.number != legs[next].number
            }) {
                out.wishes.append(.close(legs.remove(at: old).number))
            }
            counters.links.renewals &+= 1
            lost(now, into: &out)
        }
    }

    mutating func closeAll(into out: inout BinanceOutput) {
        for leg in legs { out.wishes.append(.close(leg.number)) }
        legs.removeAll()
        show(into: &out)
    }
}
