internal import EngineKit
internal import MarketModel
internal import Primitives

// The trades of all connections become one stream per symbol, in the order of the ids. The next id
// goes out at once, whichever connection brings it. A trade ahead of a missing one waits while
// another connection may still bring what is missing.
extension BinanceEngine {
    /// Takes a trade of a connection. `isLower`: its id is not above the one before on the same
    /// connection.
    mutating func merge(
        _ trade: BinanceTrade, on leg: Int, isLower: Bool, _ now: Moment,
        into out: inout BinanceOutput
    ) {
        let feed = trade.feed
        let last = feeds[feed].last.id
        counters.links.seen[legs[leg].link] &+= 1
        guard trade.id > last else {
            return lower(trade, on: legs[leg].number, isLower: isLower, into: &out)
        }
        guard feeds[feed].ahead.isEmpty,
            trade.id == last + 1 || last == 0 || !isAwaited(feed, before: trade.id)
        else {
            hold(trade, on: leg, now)
            return release(feed, now, into: &out)
        }
        counters.links.won[legs[leg].link] &+= 1
        take(trade, into: &out)
    }

    /// Whether a connection may still bring a trade before this id. Each brings its trades in the
    /// order of the ids.
    private func isAwaited(_ feed: Int, before id: UInt64) -> Bool {
        for leg in legs.indices
        where legs[leg].state == .open && legs[leg].streams[feed].isConfirmed
            && legs[leg].streams[feed].lastID < id - 1
        {
            return true
        }
        return false
    }

    /// Has a trade wait for those before it.
    private mutating func hold(_ trade: BinanceTrade, on leg: Int, _ now: Moment) {
        let feed = trade.feed
        var place = feeds[feed].ahead.count
        while place > 0, feeds[feed].ahead[place - 1].trade.id > trade.id { place -= 1 }
        if place > 0, feeds[feed].ahead[place - 1].trade.id == trade.id {
            counters.doubles &+= 1
            if !feeds[feed].ahead[place - 1].trade.isSame(as: trade) { counters.differing &+= 1 }
            return
        }
        counters.links.won[legs[leg].link] &+= 1
        if feeds[feed].ahead.isEmpty { waiting.feeds.append(feed) }
        feeds[feed].ahead.insert(
            BinanceAhead(trade: trade, since: now.monotonic), at: place)
        waiting.trades += 1
    }

    /// Lets waiting trades of a feed go out as far as nothing before them is awaited any more.
    mutating func release(
        _ feed: Int, _ now: Moment, isEnd: Bool = false, into out: inout BinanceOutput
    ) {
        while let first = feeds[feed].ahead.first {
            let (id, last) = (first.trade.id, feeds[feed].last.id)
            let isFull =
                feeds[feed].ahead.count > BinanceLimits.aheadMax
                || waiting.trades > BinanceLimits.aheadTotalMax
            let isNext = id <= last + 1 || !isAwaited(feed, before: id)
            guard isNext || isEnd || isFull || now.monotonic >= first.since + settings.wait else {
                return
            }
            if !isNext { counters.links.waitsEnded &+= 1 }
            feeds[feed].ahead.removeFirst()
            waiting.trades -= 1
            if id > last { take(first.trade, into: &out) }
        }
        waiting.feeds.removeAll { $0 == feed }
    }

    mutating func releaseAll(_ now: Moment, into out: inout BinanceOutput) {
        for feed in waiting.feeds { release(feed, now, into: &out) }
    }

    /// Forgets the waiting trades of a feed that is not wanted any more.
    mutating func forgetAhead(_ feed: Int) {
        waiting.trades -= feeds[feed].ahead.count
        feeds[feed].ahead.removeAll()
        waiting.feeds.removeAll { $0 == feed }
    }
}

/// The feeds that have trades ahead of a missing one, and how many trades of all feeds wait.
struct BinanceWaiting: Sendable {
    var feeds: [Int] = []
    var trades = 0
}

/// A trade that waits for those before it.
struct BinanceAhead: Sendable {
    let trade: BinanceTrade
    let since: MonotonicTime
}
