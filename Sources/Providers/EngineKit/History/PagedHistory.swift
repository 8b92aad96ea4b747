package import MarketModel
package import Primitives

/// A page of a past.
package protocol PastPage: Sendable {
    associatedtype Row: Sendable

    var rows: [Row] { get }
    /// Where the next page begins; empty: this is the last one.
    var next: String { get }
}

/// Where a symbol is in a past that is asked for page by page.
package protocol PagePlace: Sendable {
    /// Where the next page begins; empty: it is asked for by its time.
    var next: String { get set }
    /// Pages in a row that had nothing.
    var emptyPages: Int { get set }

    init()
}

/// A past that is asked for page by page: a page says where the next one begins.
package protocol PagedHistory: CountedHistory where Answer == [UInt8], Place: PagePlace {
    associatedtype Page: PastPage

    /// The length of bars, for instruments with them.
    var bars: BarLength { get }
    /// Returns the place of an id among those of trades of one time.
    static func rank(_ id: UInt64) -> UInt64
    /// Reads a page; `nil`: it is none. `length`: that of its bars; `nil`: it has trades.
    func page(
        _ bytes: [UInt8], of instrument: UInt32, length: BarLength?, _ now: Timestamp
    ) -> Page?
    /// Returns what a page of a symbol has, and changes where the symbol is.
    func items(of page: Page, _ feed: Feed, _ place: inout Place) -> [HistoryItem]
    /// Returns the rows of a page, to count them.
    func counted(_ page: Page, length: Int64) -> [HistoryCounts.Row]
}

extension PagedHistory {
    package static func rank(_ id: UInt64) -> UInt64 { id }

    package func place(of instrument: Instrument, after last: LastOfHistory?) -> Place { Place() }

    package func take(_ answer: [UInt8], into feed: inout Feed, _ now: Moment) -> String? {
        let length = feed.isOfBars ? bars : nil
        guard let page = page(answer, of: feed.instrument, length: length, now.wall) else {
            return "the answer is no list of \(feed.isOfBars ? "bars" : "trades")"
        }
        guard page.next.isEmpty || page.next != feed.place.next else {
            return "a page names itself as the next one"
        }
        var place = feed.place
        let items = items(of: page, feed, &place)
        if let problem = feed.takeInOrder(
            items, isLast: page.next.isEmpty, rank: { Self.rank($0) })
        {
            return problem
        }
        place.emptyPages = page.rows.isEmpty ? place.emptyPages + 1 : 0
        place.next = page.next
        feed.place = place
        return place.emptyPages > HistoryLimits.emptyAnswersMax
            ? "\(HistoryLimits.emptyAnswersMax) pages in a row are empty" : nil
    }

    /// What says where a page begins may be too old: then it is asked for by its time.
    package func asksOtherwise(for feed: inout Feed) -> Bool {
        guard !feed.place.next.isEmpty else { return false }
        feed.place = Place()
        return true
    }

    /// Returns a bar; `nil`: it is before the range, as a service may begin with the bar that a
    /// time is in. It has no id, so it gets the number of its window since 1970.
    package func item(_ bar: ProviderBar, of feed: Feed) -> HistoryItem? {
        guard bar.openTime >= feed.range.lowerBound else { return nil }
        var bar = bar
        bar.header.providerID = UInt64(clamping: bar.openTime.nanoseconds / bars.nanoseconds)
        return HistoryItem(
            time: bar.closeTime, start: bar.openTime, id: bar.header.providerID,
            .record(.tape(.providerBar(bar))))
    }

    /// Returns what the tape cannot have.
    package func item(misfit text: String, at time: Timestamp, of feed: Feed) -> HistoryItem {
        let end = feed.isOfBars ? time.advanced(byNanoseconds: bars.nanoseconds) : time
        return HistoryItem(time: end, start: time, id: 0, .misfit(text))
    }

    // MARK: questions

    /// Returns the length of the bars of a question; `nil`: it is about a trade.
    package func length(of question: HistoryQuestion) -> BarLength? {
        switch question {
        case .minutes: .minute
        case .days: .day
        case .bars: bars
        case .firstTrade: nil
        }
    }

    package func counts(_ answer: [UInt8], to question: HistoryQuestion) -> HistoryCounts? {
        let length = length(of: question)
        return page(answer, of: 0, length: length, .undefined).map { page in
            HistoryCounts(
                rows: counted(page, length: length?.nanoseconds ?? 0),
                hasMore: !page.next.isEmpty)
        }
    }
}
