internal import EngineKit
internal import MarketModel
internal import Primitives

// What comes beside trades: the best bid and offer, bars and books. Their updates have rising
// numbers with holes, so an outage is a gap by time alone, and each record says that it may stand
// for several events. Bars follow each other in time: the next one tells whether any is missing.
extension BinanceEngine {
    mutating func arrived(
        _ message: BinanceSideMessage, on leg: Int, _ now: Moment, into out: inout BinanceOutput
    ) {
        switch message {
        case .quote(let feed, let id, let bid, let ask):
            guard isNext(id, of: feed, on: leg, now, into: &out) else { return }
            counters.sides.quotes &+= 1
            feeds[feed].side.last = now.wall
            out.records.append(
                .tape(
                    .quote(
                        Quote(
                            header: header(of: feed, id, now), bidPrice: bid.price,
                            bidSize: bid.size, askPrice: ask.price, askSize: ask.size))))
        case .book(let feed, let id):
            guard isNext(id, of: feed, on: leg, now, into: &out) else { return }
            take(reader.book, of: feed, id, now, into: &out)
        case .bar(let bar): take(bar, on: leg, now, into: &out)
        case .misfit(let feed, let text):
            guard isExpected(feed, on: leg, now, into: &out) else { return }
            leaveOut(feed, text, now, into: &out)
        case .skipped(let reason): skip(reason, into: &out)
        case .unfinished: break
        }
    }

    /// Returns whether an update follows the last one. Another connection may have brought it.
    private mutating func isNext(
        _ id: UInt64, of feed: Int, on leg: Int, _ now: Moment, into out: inout BinanceOutput
    ) -> Bool {
        guard isExpected(feed, on: leg, now, into: &out) else { return false }
        // A connection whose numbers go back says that the exchange began again to count.
        if id < legs[leg].streams[feed].lastID {
            counters.lowerIDs &+= 1
            feeds[feed].side.lastID = 0
        }
        legs[leg].streams[feed].lastID = id
        guard id > feeds[feed].side.lastID else {
            counters.sides.doubles &+= 1
            return false
        }
        feeds[feed].side.lastID = id
        return true
    }

    private func header(of feed: Int, _ id: UInt64, _ now: Moment) -> TickHeader {
        TickHeader(
            symbol: feeds[feed].instrument, flags: .conflated,
            resolution: TimeResolution.unknown.rawValue, providerTime: .undefined,
            receiveTime: now.wall, providerID: id)
    }

    private mutating func take(
        _ book: BinanceBook, of feed: Int, _ id: UInt64, _ now: Moment,
        into out: inout BinanceOutput
    ) {
        feeds[feed].side.last = now.wall
        let header = header(of: feed, id, now)
        if !feeds[feed].side.hasBook {
            feeds[feed].side.hasBook = true
            feeds[feed].side.book = BinanceBook()
            out.records.append(.tape(.depthReset(DepthReset(header: header, reason: .reset))))
        }
        var rows: UInt64 = 0
        feeds[feed].side.book.become(book) { side, operation, place, row in
            rows &+= 1
            out.records.append(
                .tape(
                    .depth(
                        DepthUpdate(
                            header: header, position: UInt32(truncatingIfNeeded: place),
                            side: side, operation: operation, price: row.price, size: row.size))))
        }
        counters.sides.rows &+= rows
    }

    private mutating func take(
        _ bar: BinanceBar, on leg: Int, _ now: Moment, into out: inout BinanceOutput
    ) {
        let feed = bar.feed
        guard isExpected(feed, on: leg, now, into: &out) else { return }
        let last = feeds[feed].side.last
        guard !last.isDefined || bar.open >= last else {
            counters.sides.doubles &+= 1
            return
        }
        if last.isDefined { settle(bar, since: last, now, into: &out) }
        feeds[feed].side.last = bar.close
        counters.sides.bars &+= 1
        out.records.append(bar.record(of: feeds[feed].instrument, received: now.wall))
    }

    /// Ends the gap before a bar: its beginning says whether any is missing.
    private mutating func settle(
        _ bar: BinanceBar, since last: Timestamp, _ now: Moment, into out: inout BinanceOutput
    ) {
        let feed = feeds[bar.feed]
        guard feed.openGap != nil || bar.open > last else { return }
        let from = feed.openGap?.from ?? last
        let reason = feed.openGap?.reason ?? .providerLoss
        let isWhole = bar.open == last
        let end = isWhole ? bar.close : bar.open
        feeds[bar.feed].endGap(end, at: now.wall, into: &out.records)
        out.records.append(
            feed.gap(
                (from: from, to: end), reason, isWhole ? .filled : .abandoned, at: now.wall,
                detail: isWhole ? "no bar is missing" : BinanceBar.missing))
    }

    /// Whether the next bar will tell what an outage lost.
    func isBarAwaited(_ feed: Int) -> Bool {
        feeds[feed].kind == .providerBar && feeds[feed].side.last.isDefined
    }

    /// No connection delivers a feed any more. Its updates may be numbered anew, and its book is
    /// void.
    mutating func endSide(_ feed: Int, _ now: Moment, into out: inout BinanceOutput) {
        feeds[feed].side.lastID = 0
        guard feeds[feed].side.hasBook else { return }
        feeds[feed].side.hasBook = false
        out.records.append(
            .tape(
                .depthReset(
                    DepthReset(header: feeds[feed].header(at: now.wall), reason: .disconnected))))
    }

    /// Begins the book of an instrument again.
    package mutating func restartBook(of instrument: UInt32) {
        for place in feeds.indices
        where feeds[place].instrument == instrument && feeds[place].kind == .depth {
            feeds[place].side.hasBook = false
        }
    }

    /// Puts something whose numbers do not fit on record as a gap.
    private mutating func leaveOut(
        _ place: Int, _ text: String, _ now: Moment, into out: inout BinanceOutput
    ) {
        counters.misfits &+= 1
        let feed = feeds[place]
        out.note(.misfit(instrument: feed.instrument, id: 0, text: text))
        out.records.append(
            feed.gap(
                (from: now.wall, to: now.wall.advanced(byNanoseconds: 1)), .scale, .abandoned,
                at: now.wall, detail: text))
    }
}
