internal import Primitives
internal import VenueWeb

/// One page of the trades or quotes of a symbol, by the times of their reports.
struct MassivePage {
    enum Kind: String, Sendable {
        case trades, quotes
    }

    private let kind: Kind
    private let isDescending: Bool
    private let limit: Int
    private let now: Timestamp
    /// Nanoseconds, both inclusive.
    private var first: Int64 = 0
    private var last = Int64.max - 1
    /// The sequence of the first result at the time where the page begins.
    private let sequence: Int64?

    init(_ kind: Kind, _ query: [String: String], now: Timestamp) throws(MassiveProblem) {
        (self.kind, self.now) = (kind, now)
        isDescending = try MassiveRequests.isDescending(query, "order", usual: "desc")
        limit = try MassiveRequests.limit(query, usual: MassiveLimits.recordsPerAnswer)
        guard query["sort"] ?? "timestamp" == "timestamp" else {
            throw MassiveProblem(text: "sort must be timestamp")
        }
        let next = try Self.integer("ap", query)
        sequence = try Self.integer("as", query)
        if let day = query["timestamp"].flatMap(MassiveRequests.day) {
            first = day.nanoseconds
            last = day.advanced(byNanoseconds: MassiveMarket.dayNanoseconds - 1).nanoseconds
        } else if let time = try Self.time("timestamp", query) {
            (first, last) = (time, time)
        }
        if let time = try Self.time("timestamp.gte", query) { first = max(first, time) }
        if let time = try Self.time("timestamp.gt", query) { first = max(first, time + 1) }
        if let time = try Self.time("timestamp.lte", query) { last = min(last, time) }
        if let time = try Self.time("timestamp.lt", query) { last = min(last, time - 1) }
        if let next {
            if isDescending { last = min(last, next) } else { first = max(first, next) }
        }
    }

    private static func integer(
        _ name: String, _ query: [String: String]
    ) throws(MassiveProblem) -> Int64? {
        guard let text = query[name] else { return nil }
        guard let number = Int64(text), (0..<Int64.max / 2).contains(number) else {
            throw MassiveProblem(text: "\(name) is not valid")
        }
        return number
    }

    /// Nanoseconds, or a date.
    private static func time(
        _ name: String, _ query: [String: String]
    ) throws(MassiveProblem) -> Int64? {
        if let day = query[name].flatMap(MassiveRequests.day) { return max(0, day.nanoseconds) }
        return try integer(name, query)
    }

    private func isIn(_ reported: Timestamp, _ number: Int64) -> Bool {
        let time = reported.nanoseconds
        guard first <= time, time <= last else { return false }
        guard let sequence, time == (isDescending ? last : first) else { return true }
        return isDescending ? number <= sequence : number >= sequence
    }

    func answer(_ requests: MassiveRequests, symbol name: String, host: String) -> HTTPAnswer {
        var next: (reported: Timestamp, sequence: Int64)?
        return .json { writer in
            writer.object { json in
                json.key("results")
                json.array { list in
                    // Nothing happened to a symbol that the market does not have.
                    guard let symbol = requests.market.place(of: name), first <= last else {
                        return
                    }
                    switch kind {
                    case .trades: next = writeTrades(symbol, requests.market, to: &list)
                    case .quotes: next = writeQuotes(symbol, requests.market, to: &list)
                    }
                }
                json.member("status", "OK")
                json.request(requests.number)
                if let next {
                    let path = "http://\(host)/v3/\(kind.rawValue)/\(name)"
                    json.member("next_url", "\(path)?cursor=\(cursor(next))")
                }
            }
        }
    }

    private func cursor(_ next: (reported: Timestamp, sequence: Int64)) -> String {
        MassiveCursor.encode([
            ("ap", "\(next.reported.nanoseconds)"), ("as", "\(next.sequence)"),
            ("limit", "\(limit)"), ("order", isDescending ? "desc" : "asc"),
            ("sort", "timestamp"), ("timestamp.gte", "\(first)"),
            ("timestamp.lte", "\(min(last, Int64.max / 2 - 1))"),
        ])
    }

    /// The span in which the reports may be, with events that are up to a microsecond earlier.
    private var after: Timestamp { Timestamp(nanoseconds: first).advanced(byNanoseconds: -1_001) }
    private var until: Timestamp { min(now, Timestamp(nanoseconds: last)) }

    private func writeTrades(
        _ symbol: Int, _ market: MassiveMarket, to list: inout JSONWriter
    ) -> (reported: Timestamp, sequence: Int64)? {
        var count = 0
        var last: (reported: Timestamp, sequence: Int64)?
        let reports = MassiveReports(
            market, symbol, after: after, until: until, isDescending: isDescending)
        for trade in reports where isIn(trade.reported, trade.sequence) {
            let place = (trade.reported, trade.sequence)
            // No page ends between twins, as the next one begins with a sequence.
            guard count < limit || last.map({ $0 == place }) == true else { return place }
            last = place
            count += 1
            let bust = market.bust(of: trade).flatMap { $0.time <= now ? $0 : nil }
            list.object { MassiveRows.write(trade, bust, market.symbols[symbol], to: &$0) }
        }
        return nil
    }

    private func writeQuotes(
        _ symbol: Int, _ market: MassiveMarket, to list: inout JSONWriter
    ) -> (reported: Timestamp, sequence: Int64)? {
        var count = 0
        var numbers = market.quoteNumbers(symbol, after: after, until: until)
        while let number = isDescending ? numbers.last : numbers.first {
            numbers = isDescending ? numbers.dropLast() : numbers.dropFirst()
            let quote = market.quote(symbol, number)
            guard isIn(quote.reported, quote.sequence) else { continue }
            guard count < limit else { return (quote.reported, quote.sequence) }
            count += 1
            list.object { MassiveRows.write(quote, market.symbols[symbol], to: &$0) }
        }
        return nil
    }
}
