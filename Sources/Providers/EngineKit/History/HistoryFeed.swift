package import MarketModel
package import Primitives

/// A symbol whose past is loaded.
package struct HistoryFeed<Place: Sendable>: RecordedFeed, Sendable {
    package let instrument: UInt32
    /// The service's symbol.
    package let name: String
    /// Trades, or bars.
    package let kind: DataKind
    /// The range of the load.
    package let range: Range<Timestamp>
    /// How many symbols the load has. Each holds a page.
    package let symbols: Int
    /// What is older is not wanted, or is on the tape.
    package let from: Timestamp
    /// Where the service is with it.
    package var place: Place
    /// The last one that was handed out, or is on the tape, or is before the range; `nil`: there is
    /// none.
    package var last: LastOfHistory?
    /// Whether nothing follows.
    package private(set) var hasEnded = false
    /// Trades or bars of an answer, and the place of the next one.
    private var page: [HistoryItem] = []
    private var position = 0
    /// Whether nothing wanted follows `page`.
    private var isWhole = false
    /// When the first bar begins that is not over at the end of the range, and what is said when
    /// bars before it are missing.
    private var after: (start: Timestamp, missing: String)?
    /// What came last into a page, or is on the tape: nothing up to it comes again.
    private var taken: HistoryOrder?
    /// Whether the record of `taken` is on the tape, and what became of it later perhaps not.
    private var isTakenByOther = false
    /// What has the latest time of an answer: more of that time may follow.
    private var held: [HistoryItem] = []

    package init(
        _ begun: HistoryBegun, name: String, range: Range<Timestamp>, symbols: Int, place: Place
    ) {
        instrument = begun.number
        self.name = name
        kind = begun.instrument.isOfPastBars ? .providerBar : .trade
        self.range = range
        from = begun.mark.isDefined ? max(range.lowerBound, begun.mark) : range.lowerBound
        self.symbols = symbols
        self.place = place
        last = begun.last
        taken = begun.last.map { HistoryOrder(time: $0.time, rank: $0.id, id: $0.id) }
        isTakenByOther = taken != nil
    }

    /// The trades of a part of a gap.
    init(filling instrument: UInt32, name: String, _ range: Range<Timestamp>, place: Place) {
        self.instrument = instrument
        self.name = name
        kind = .trade
        self.range = range
        from = range.lowerBound
        symbols = 1
        self.place = place
    }

    package var isOfBars: Bool { kind == .providerBar }

    /// The time of the next trade or bar; `nil`: it is not known.
    var nextTime: Timestamp? { position < page.count ? page[position].time : nil }

    var wantsAnswer: Bool { !hasEnded && position >= page.count }

    /// Nothing follows.
    package mutating func end() { hasEnded = true }

    /// Returns how many rows a page may have, so that those of all symbols fit into memory.
    package func rows(max: Int) -> Int {
        Swift.min(max, Swift.max(1, HistoryLimits.rowsMax / Swift.max(1, symbols)))
    }

    /// Whether something of this time is after the range. A bar is of the range if it is over at
    /// its end.
    private func isBeyond(_ time: Timestamp) -> Bool {
        isOfBars ? time > range.upperBound : time >= range.upperBound
    }

    mutating func takeHead() -> HistoryItem? {
        guard position < page.count else { return nil }
        let item = page[position]
        position += 1
        if position == page.count, isWhole { hasEnded = true }
        return item
    }

    /// Notes that what is after the last one is missing up to the end of the range.
    package mutating func lacksEnd(_ missing: String) { after = (range.upperBound, missing) }

    /// Returns when the first bar after the range begins, once; `nil`: it is not known.
    mutating func takeNext() -> (start: Timestamp, missing: String)? {
        defer { after = nil }
        return after
    }

    // MARK: answers of services whose ids follow each other

    /// Takes those of an answer that are wanted, in its order. What is older is on the tape,
    /// whether the last one is known or not. `missing`: what is said when the first one of after
    /// the range shows that some before it are missing; `nil`: it does not show that.
    package mutating func take(_ items: [HistoryItem], missing: String? = nil) {
        page = []
        position = 0
        for item in items {
            guard !isBeyond(item.time) else {
                isWhole = true
                after = missing.map { (item.start, $0) }
                break
            }
            if item.time >= from {
                page.append(item)
            } else if page.isEmpty {
                last = (item.id, item.time)
            }
        }
        if page.isEmpty, isWhole { hasEnded = true }
    }

    // MARK: answers of services without such ids

    /// The earliest time of what is asked for next.
    package var next: Timestamp {
        let reached = held.last?.time ?? taken?.time
        return reached.map { max($0, from) } ?? from
    }

    /// Of what is earlier, all has been taken.
    var reached: Timestamp { hasEnded ? range.upperBound : next }

    /// Takes those of an answer that are wanted. Their times rise. Those of one time are put into
    /// the order of their ranks, of two with the same id one is taken, and the last time of an
    /// answer waits for the next one. So what a page ends with has no influence on the order, and
    /// the last one on the tape tells what follows. `isLast`: no answer follows. Returns what is
    /// wrong; `nil`: nothing.
    package mutating func takeInOrder(
        _ items: [HistoryItem], isLast: Bool, rank: (UInt64) -> UInt64 = { $0 }
    ) -> String? {
        let rises = zip(items, items.dropFirst()).allSatisfy { $0.time <= $1.time }
        guard rises, held.isEmpty || items.isEmpty || held[0].time <= items[0].time else {
            return "the \(isOfBars ? "bars" : "trades") of the answer are in no order"
        }
        var all = held
        var isEnd = isLast
        for item in items {
            guard !isBeyond(item.time) else {
                isEnd = true
                break
            }
            if item.time >= from { all.append(item) }
        }
        held = []
        if !isEnd, let latest = all.last?.time {
            let first = all.firstIndex { $0.time == latest } ?? all.count
            held = Array(all[first...])
            all.removeSubrange(first...)
            guard held.count <= HistoryLimits.heldMax else {
                return "more than \(HistoryLimits.heldMax) trades have the time \(latest)"
            }
        }
        page = fresh(all, rank)
        position = 0
        isWhole = isEnd
        if page.isEmpty, isWhole { hasEnded = true }
        return nil
    }

    /// Returns those that did not come before, in order.
    private mutating func fresh(
        _ items: [HistoryItem], _ rank: (UInt64) -> UInt64
    ) -> [HistoryItem] {
        // Of an earlier process only the id is known.
        if isTakenByOther, let own = taken {
            taken = HistoryOrder(time: own.time, rank: rank(own.id), id: own.id)
        }
        var orders = items.map { HistoryOrder(time: $0.time, rank: rank($0.id), id: $0.id) }
        let isSorted = zip(orders, orders.dropFirst()).allSatisfy { $0 <= $1 }
        let places = isSorted ? nil : items.indices.sorted { orders[$0] < orders[$1] }
        var fresh: [HistoryItem] = []
        fresh.reserveCapacity(items.count)
        for number in items.indices {
            let place = places?[number] ?? number
            if let taken, orders[place] <= taken {
                guard isTakenByOther, orders[place] == taken,
                    case .changed(_, let later) = items[place].what
                else { continue }
                // The process may have ended between the two records.
                var rest = items[place]
                rest.what = .record(later)
                fresh.append(rest)
            } else {
                fresh.append(items[place])
                taken = orders[place]
            }
            isTakenByOther = false
        }
        orders = []
        return fresh
    }
}

/// The place of a trade or a bar of one symbol among the others.
struct HistoryOrder: Comparable, Sendable {
    let time: Timestamp
    /// Its place among those of one time.
    let rank: UInt64
    let id: UInt64

    static func < (one: HistoryOrder, other: HistoryOrder) -> Bool {
        (one.time, one.rank, one.id) < (other.time, other.rank, other.id)
    }
}
