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
        _ place: Int, _ why: String, lacksRoom: Bool = false, _ now: Moment,
        into records: inout [ProviderRecord]
    ) -> Bool {
        list[place].standing.isAsked = false
        list[place].standing.isAskedAgain = false
        guard list[place].isWanted else { return false }
        let link = list[place].channel.link
        againAt[link] = min(againAt[link], now.monotonic + Self.askAgainAfter)
        list[place].refusal = why
        list[place].lacksRoom = lacksRoom
        if list[place].state != .refused { report(.refused, of: place, now, into: &records) }
        defer { list[place].toldRefusal = why }
        return list[place].toldRefusal != why
    }

    /// Something of a feed came that was not live. Returns whether it is taken: what was asked for
    /// is delivered then, whatever the service has said of it.
    package mutating func came(
        _ place: Int, _ now: Moment, into records: inout [ProviderRecord]
    ) -> Bool {
        let feed = list[place]
        guard feed.isWanted,
            feed.standing.isAsked || feed.standing.isAskedAgain || !feed.refusal.isEmpty
        else { return false }
        list[place].standing.isAsked = true
        list[place].standing.isConfirmed = true
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
    package mutating func madeRoom(link: Int) -> Asking { askAgain(link: link, where: \.lacksRoom) }

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
            guard feed.isWanted, feed.channel.link == link, !feed.standing.isConfirmed,
                !feed.refusal.isEmpty, isMeant(feed)
            else { continue }
            list[place].refusal = ""
            list[place].standing.isAskedAgain = true
            list[place].standing.isAsked = false
            if feed.lacksRoom {
                asking = .feedsWithoutRoom
            } else if asking == .nothing {
                asking = .feeds
            }
        }
        return asking
    }
}
