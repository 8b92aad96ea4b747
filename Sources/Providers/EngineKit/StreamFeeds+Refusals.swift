package import MarketModel
package import Primitives

// What the service refuses. A refusal may pass: a list lacked a feed once, or the account got more
// room. So what comes all the same is taken, and after a while a feed is asked for again.
extension StreamFeeds {
    /// The time after which what was refused is asked for once more, in nanoseconds.
    package static let askAgainAfter: Int64 = 600_000_000_000

    /// The service refuses a feed. `lacksRoom`: because the account has no more. Returns whether
    /// the feed is wanted and the reason is a new one.
    package mutating func refuse(
        _ feed: LinkedFeed, _ why: String, lacksRoom: Bool, _ now: Moment,
        into records: inout [ProviderRecord]
    ) -> Bool {
        let (place, link) = (feed.place, feed.link)
        list[place].on[link].isAsked = false
        list[place].refusal.isAskedAgain = false
        guard list[place].isWanted else { return false }
        list[place].on[link].isRefused = true
        againAt[link] = min(againAt[link], now.monotonic + Self.askAgainAfter)
        list[place].refusal.why = why
        list[place].refusal.lacksRoom = lacksRoom
        if list[place].state != .refused { report(.refused, of: place, now, into: &records) }
        defer { list[place].refusal.told = why }
        return list[place].refusal.told != why
    }

    /// The service takes requests for an instrument, and does not have its symbol.
    package mutating func markUnknown(
        _ instrument: UInt32, _ why: String, _ now: Moment, into records: inout [ProviderRecord]
    ) {
        for place in list.indices
        where list[place].isWanted && list[place].instrument == instrument {
            list[place].refusal.why = why
            list[place].refusal.isUnknown = true
            report(.refused, of: place, now, into: &records)
        }
    }

    /// Something of a feed came that was not live. Returns whether it is taken: what was asked for
    /// is delivered then, whatever the service has said of it.
    package mutating func came(
        _ place: Int, on link: Int, _ now: Moment, into records: inout [ProviderRecord]
    ) -> Bool {
        let feed = list[place]
        guard feed.isWanted,
            feed.on[link].isAsked || feed.refusal.isAskedAgain || !feed.refusal.why.isEmpty
        else { return false }
        list[place].refusal.isUnknown = false
        list[place].on[link].isAsked = true
        list[place].on[link].isConfirmed = true
        list[place].on[link].isRefused = false
        confirm(place, now, into: &records)
        return true
    }

    /// When what a connection was refused is asked for once more.
    package func againAt(link: Int) -> MonotonicTime { againAt[link] }

    /// Has the refused feeds of a connection asked for once more, if it is time.
    package mutating func askAgain(link: Int, _ now: MonotonicTime) -> Asking {
        guard now >= againAt[link] else { return .nothing }
        againAt[link] = .never
        return askAgain(link: link) { _ in true }
    }

    /// Room was made on a connection: has what lacked it asked for.
    package mutating func madeRoom(link: Int) -> Asking {
        askAgain(link: link, where: \.refusal.lacksRoom)
    }

    /// What is to be asked for again.
    package enum Asking: Sendable {
        case nothing
        case feeds
        /// Among them are feeds for which there was no room. How much there is now, nobody knows.
        case feedsWithoutRoom
    }

    private mutating func askAgain(link: Int, where isMeant: (StreamFeed) -> Bool) -> Asking {
        var asking = Asking.nothing
        for place in list.indices {
            let feed = list[place]
            guard feed.isWanted, feed.on[link].isRefused, !feed.on[link].isConfirmed,
                isMeant(feed)
            else { continue }
            list[place].refusal.why = ""
            list[place].refusal.isAskedAgain = true
            list[place].on[link].isAsked = false
            list[place].on[link].isRefused = false
            if feed.refusal.lacksRoom {
                asking = .feedsWithoutRoom
            } else if asking == .nothing {
                asking = .feeds
            }
        }
        return asking
    }
}
