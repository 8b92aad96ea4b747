internal import EngineKit
package import MarketModel
internal import Primitives

// The connection, and what the service says of it.
extension MassiveEngine {
    /// A connection that lasted so long ends a row of failures.
    private static let steadyAfter: Int64 = 30_000_000_000

    /// A connection is open.
    package mutating func opened(
        _ number: MassiveConnection, _ now: Moment, into out: inout MassiveOutput
    ) {
        guard link.number == number, link.state == .opening else { return }
        link.state = .greeting
        link.due = now.monotonic + MassiveLimits.answerAfter
        counters.links.opened &+= 1
        show(into: &out)
    }

    /// A connection has ended, or was not made.
    package mutating func ended(
        _ number: MassiveConnection, _ why: String, _ now: Moment, into out: inout MassiveOutput
    ) {
        guard link.number == number, link.state != .closed else { return }
        // What the service has said of the end tells more than the end.
        let said = link.lastSaid
        lost(
            said.isEmpty ? settings.hidden.taken(outOf: why) : said, .failed, now, into: &out)
    }

    /// Why a connection is not there.
    enum Loss {
        /// It failed. Each failure in a row doubles the wait.
        case failed
        /// Only the account's owner can end it.
        case refused
        /// Another session is there: that is no failure.
        case occupied
        /// It answers pings, and its stream has stopped.
        case stopped
    }

    /// Gives the connection up by the engine's own decision.
    mutating func giveUp(
        _ why: String, _ loss: Loss, _ now: Moment, into out: inout MassiveOutput
    ) {
        out.wishes.append(.close(link.number))
        lost(why, loss, now, into: &out)
    }

    private mutating func lost(
        _ why: String, _ loss: Loss, _ now: Moment, into out: inout MassiveOutput
    ) {
        let wasReady = link.state == .ready
        let lasted = wasReady ? now.monotonic - link.readyAt : 0
        if wasReady { link.heard.pace.pause(now.monotonic) }
        counters.links.failures &+= 1
        link.reason = why
        link.lastSaid = ""
        link.state = .closed
        link.asking.request = nil
        // Each attempt that finds the other session still there is no news.
        let isNews = loss != .occupied || !link.isOccupied
        if loss == .occupied {
            link.isOccupied = true
            link.retry.wait(exactly: MassiveLimits.occupiedWait, now)
        } else {
            link.isOccupied = false
            link.retry.failed(wasSteady: lasted >= Self.steadyAfter)
            if loss == .refused {
                link.retry.wait(exactly: MassiveLimits.refusedWait, now)
            } else {
                link.refusal = ""
                link.retry.wait(now)
            }
        }
        if isNews {
            out.note(
                .lost(failures: loss == .occupied ? 0 : link.retry.failures, reason: why))
        }
        if loss == .stopped {
            // Once: a market that has closed must not end one connection after the other.
            link.heard.pace.forget()
            feeds.doubt(link: 0, now)
        }
        for place in feeds.list.indices {
            feeds.list[place].standing.isAsked = false
            feeds.endDelivery(place, .disconnected, why, now, into: &out.records)
        }
        show(into: &out)
    }

    mutating func serve(_ now: Moment, into out: inout MassiveOutput) {
        guard link.isWanted else {
            feeds.forgetDoubt(link: 0)
            guard link.state != .closed else { return }
            out.wishes.append(.close(link.number))
            link.state = .closed
            link.asking.request = nil
            for place in feeds.list.indices { feeds.list[place].standing = StreamStanding() }
            return
        }
        switch link.state {
        case .closed:
            guard now.monotonic >= link.retry.at else { return }
            link.number &+= 1
            link.state = .opening
            out.wishes.append(.open(link.number))
        case .opening: break
        case .greeting, .authenticating:
            guard now.monotonic >= link.due else { return }
            giveUp("the service does not answer", .failed, now, into: &out)
        case .ready:
            if link.isOccupied, now.monotonic >= link.readyAt + MassiveLimits.provenAfter {
                proven(now, into: &out)
            }
            if link.asking.request != nil, now.monotonic >= link.due {
                return unanswered(now, into: &out)
            }
            if now.monotonic >= link.heard.pace.stopsAt(silentAfter: settings.silentAfter) {
                return giveUp("its stream has stopped", .stopped, now, into: &out)
            }
            if feeds.askAgain(link: 0, now.monotonic) != .nothing { link.asking.isBehind = true }
            ask(now, into: &out)
        }
    }

    /// No other session is there any more: what the service has confirmed is delivered.
    private mutating func proven(_ now: Moment, into out: inout MassiveOutput) {
        link.isOccupied = false
        for place in feeds.list.indices
        where feeds.list[place].isWanted && feeds.list[place].standing.isConfirmed {
            feeds.confirm(place, now, into: &out.records)
        }
        show(into: &out)
    }

    mutating func take(
        _ control: MassiveControl, _ now: Moment, into out: inout MassiveOutput
    ) {
        switch control {
        case .connected:
            guard link.state == .greeting else { return }
            link.state = .authenticating
            link.due = now.monotonic + MassiveLimits.answerAfter
            out.wishes.append(.authenticate(link.number))
        case .authenticated:
            guard link.state == .authenticating else { return }
            link.state = .ready
            link.readyAt = now.monotonic
            link.heard.pace.resume(now.monotonic)
            link.asking = MassiveAsking()
            link.refusal = ""
            if !link.isOccupied { link.reason = "" }
            show(into: &out)
        case .refusedAccount(let text): refusedAccount(text, now, into: &out)
        case .occupied(let text):
            counters.links.occupied &+= 1
            giveUp(
                "the service says: \(text): \(StreamAdvice.occupied)", .occupied, now, into: &out
            )
        case .subscribed(let words): subscribed(words, now, into: &out)
        case .unsubscribed(let words): unsubscribed(words, now, into: &out)
        case .error(let text):
            if link.state == .ready { return refusedRequest(text, now, into: &out) }
            refusedAccount(
                text.shownOnLine(MassiveLimits.textCharactersMax), now, into: &out)
        case .other(let word, let text):
            counters.skip(.unknown)
            let text = "\(word): \(text)"
            if let advice = MassiveAdvice.ofEnd[word] {
                link.lastSaid = "the service says: \(text): \(advice)"
            }
            out.note(.said(text))
        }
    }

    private mutating func refusedAccount(
        _ text: String, _ now: Moment, into out: inout MassiveOutput
    ) {
        let said = "the service says: \(text): \(MassiveAdvice.ofAccount)"
        if link.refusal.isEmpty { out.note(.refusedAccount(reason: said)) }
        link.refusal = said
        giveUp(said, .refused, now, into: &out)
        for place in feeds.list.indices
        where feeds.list[place].isWanted && feeds.list[place].state != .refused {
            feeds.report(.refused, of: place, now, into: &out.records)
        }
    }
}
