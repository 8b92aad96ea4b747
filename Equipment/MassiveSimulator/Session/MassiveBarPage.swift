internal import Primitives
internal import VenueWeb

/// One page of the bars of a symbol.
struct MassiveBarPage {
    private enum Span: String {
        case minute, day

        var nanoseconds: Int64 {
            switch self {
            case .minute: MassiveMarket.minuteNanoseconds
            case .day: MassiveMarket.dayNanoseconds
            }
        }
    }

    private let span: Span
    private let from: Timestamp
    private let to: Timestamp
    /// As the client wrote it.
    private let lastPart: String
    private let isDescending: Bool
    private let isAdjusted: Bool
    private let limit: Int
    private let now: Timestamp

    /// `parts` are those of the path: the number of spans in a bar, the span, from and to.
    init(_ parts: [String], _ query: [String: String], now: Timestamp) throws(MassiveProblem) {
        guard parts.count == 4, parts[0] == "1", let span = Span(rawValue: parts[1]) else {
            throw MassiveProblem(text: "only 1 minute and 1 day are simulated")
        }
        guard let from = Self.time(parts[2]), let to = Self.time(parts[3], isEnd: true) else {
            throw MassiveProblem(text: "from and to are dates or milliseconds")
        }
        guard from <= to else { throw MassiveProblem(text: "'to' is before 'from'") }
        (self.span, self.from, self.to, lastPart) = (span, from, to, parts[3])
        isDescending = try MassiveRequests.isDescending(query, "sort", usual: "asc")
        limit = try MassiveRequests.limit(query, usual: MassiveLimits.aggregatesPerAnswer)
        let adjusted = query["adjusted"] ?? "true"
        guard adjusted == "true" || adjusted == "false" else {
            throw MassiveProblem(text: "adjusted must be true or false")
        }
        isAdjusted = adjusted == "true"
        self.now = now
    }

    /// Milliseconds, or a date. The end of a date is its last moment.
    private static func time(_ text: String, isEnd: Bool = false) -> Timestamp? {
        if let day = MassiveRequests.day(text) {
            return isEnd ? day.advanced(byNanoseconds: MassiveMarket.dayNanoseconds - 1) : day
        }
        guard let number = Int64(text), (0..<9_000_000_000_000).contains(number) else {
            return nil
        }
        return Timestamp(nanoseconds: number * 1_000_000)
    }

    /// The start of the bar that contains a time.
    private func start(of time: Timestamp) -> Timestamp {
        switch span {
        case .minute: time.floored(toNanoseconds: span.nanoseconds)
        case .day: MassiveMarket.day(of: time)
        }
    }

    /// What a page has: bars, and where the next page begins.
    private struct Bars {
        var bars: [MassiveBar] = []
        var next: Timestamp?
    }

    func answer(
        _ requests: MassiveRequests, symbol name: String, host: String
    ) throws(MassiveProblem) -> HTTPAnswer {
        let page = try requests.market.place(of: name).map { symbol throws(MassiveProblem) in
            try bars(symbol, requests.market)
        }
        let found = page ?? Bars()
        return .json { writer in
            writer.object { json in
                json.member("ticker", name)
                json.member("queryCount", found.bars.count)
                json.member("resultsCount", found.bars.count)
                json.member("adjusted", isAdjusted)
                if !found.bars.isEmpty {
                    json.key("results")
                    json.array { list in
                        for bar in found.bars { list.object { MassiveRows.write(bar, to: &$0) } }
                    }
                }
                json.member("status", "OK")
                json.request(requests.number)
                if let next = found.next {
                    json.member("next_url", "http://\(host)\(path(name, next))")
                }
            }
        }
    }

    /// The page that begins or, from the newest bar on, ends with this bar.
    private func path(_ name: String, _ next: Timestamp) -> String {
        let head = "/v2/aggs/ticker/\(name)/range/1/\(span.rawValue)"
        let range =
            isDescending
            ? "\(from.milliseconds)/\(next.milliseconds)" : "\(next.milliseconds)/\(lastPart)"
        let cursor = MassiveCursor.encode([
            ("limit", "\(limit)"), ("sort", isDescending ? "desc" : "asc"),
            ("adjusted", "\(isAdjusted)"),
        ])
        return "\(head)/\(range)?cursor=\(cursor)"
    }

    private func bars(_ symbol: Int, _ market: MassiveMarket) throws(MassiveProblem) -> Bars {
        var page = Bars()
        let width = span.nanoseconds
        let (oldest, newest) = (start(of: from), start(of: min(to, now)))
        var start = isDescending ? newest : oldest
        var tradesLeft = MassiveLimits.tradesPerAnswerMax + MassiveLimits.tradesPerBar
        while oldest <= start, start <= newest {
            let end = start.advanced(byNanoseconds: width)
            let count = market.tradeCount(symbol, from: start, until: end)
            guard count <= MassiveLimits.tradesPerAnswerMax else {
                throw MassiveProblem(text: "the market has too many trades for such bars")
            }
            tradesLeft -= MassiveLimits.tradesPerBar + count
            guard page.bars.count < limit, tradesLeft >= 0 else {
                page.next = start
                return page
            }
            if let bar = market.bar(symbol, start: start, width: width, at: now) {
                page.bars.append(bar)
            }
            start = start.advanced(byNanoseconds: isDescending ? -width : width)
        }
        return page
    }
}
