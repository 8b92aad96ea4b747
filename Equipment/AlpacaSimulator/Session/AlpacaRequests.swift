internal import Primitives
internal import VenueWeb

/// The answers to requests for what has happened:
/// `/v2/stocks/{trades,quotes,bars}` and `/v1beta3/crypto/us/{trades,quotes,bars}`.
struct AlpacaRequests {
    let stocks: AlpacaMarket
    let coins: AlpacaMarket
    let hasSIP: Bool
    let now: Timestamp

    func answer(_ request: VenueRequest) -> HTTPAnswer {
        guard request.method == "GET" else { return HTTPAnswer(status: 405) }
        for (prefix, market) in [("/v2/stocks/", stocks), ("/v1beta3/crypto/us/", coins)]
        where request.path.hasPrefix(prefix) {
            guard let kind = PageKind(rawValue: String(request.path.dropFirst(prefix.count)))
            else { return .refusal(404, "endpoint not found.") }
            return pages(kind, market, request.query)
        }
        return .refusal(404, "endpoint not found.")
    }

    /// What is wrong with a request.
    private struct Problem: Error {
        let text: String
        var status = 400
    }

    private func pages(
        _ kind: PageKind, _ market: AlpacaMarket, _ query: [String: String]
    ) -> HTTPAnswer {
        do throws(Problem) {
            var page = AlpacaPage(
                kind: kind, market: market, feed: try feed(query, market),
                start: try time("start", query) ?? AlpacaMarket.day(of: now),
                end: min(now, try time("end", query) ?? now), now: now, limit: try limit(query))
            if market.isCrypto == false, page.feed == .all, !hasSIP,
                now.nanoseconds(since: page.end) < AlpacaLimits.delay
            {
                throw Problem(
                    text: "subscription does not permit querying recent SIP data", status: 403)
            }
            if kind == .bars, query["timeframe"] ?? "1Min" != "1Min" {
                throw Problem(text: "invalid timeframe: only 1Min is simulated")
            }
            let places = try symbols(query, market)
            let token = try self.token(query, market, places)
            page.fill(places, from: token)
            return page.answer
        } catch {
            return .refusal(error.status, error.text)
        }
    }

    private func feed(
        _ query: [String: String], _ market: AlpacaMarket
    ) throws(Problem) -> AlpacaFeed {
        if market.isCrypto { return .all }
        guard let name = query["feed"] else { return hasSIP ? .all : .iex }
        guard let feed = AlpacaFeed(rawValue: name) else {
            throw Problem(text: "invalid feed: \(name.prefix(20))")
        }
        return feed
    }

    /// A time, or a day.
    private func time(
        _ name: String, _ query: [String: String]
    ) throws(Problem) -> Timestamp? {
        guard let text = query[name], !text.isEmpty else { return nil }
        if let time = ISOTime.parse(text) { return time }
        guard let day = CivilDate(text) else { throw Problem(text: "invalid \(name)") }
        let (nanoseconds, isTooFar) = day.daysSinceEpoch.multipliedReportingOverflow(
            by: AlpacaMarket.dayNanoseconds)
        guard !isTooFar else { throw Problem(text: "invalid \(name)") }
        return Timestamp(nanoseconds: nanoseconds)
    }

    private func limit(_ query: [String: String]) throws(Problem) -> Int {
        guard let text = query["limit"] else { return AlpacaLimits.recordsPerAnswer }
        guard let limit = Int(text), (1...AlpacaLimits.recordsPerAnswerMax).contains(limit) else {
            throw Problem(text: "invalid limit: limit must be a number between 1 and 10000")
        }
        return limit
    }

    /// The places of the symbols, in the order of their names.
    private func symbols(
        _ query: [String: String], _ market: AlpacaMarket
    ) throws(Problem) -> [Int] {
        let names = Set((query["symbols"] ?? "").split(separator: ",").map(String.init)).sorted()
        guard (1...AlpacaLimits.symbolsPerRequestMax).contains(names.count) else {
            throw Problem(text: "symbols is required, with 100 of them at most")
        }
        for name in names where AlpacaSymbol(name) == nil {
            throw Problem(text: "invalid symbol: \(name.prefix(20))")
        }
        // Nothing happened to a symbol that the market does not have.
        return names.compactMap { market.place(of: $0) }
    }

    private func token(
        _ query: [String: String], _ market: AlpacaMarket, _ places: [Int]
    ) throws(Problem) -> AlpacaPage.Token? {
        guard let text = query["page_token"], !text.isEmpty else { return nil }
        guard let token = AlpacaPage.Token(text, market), places.contains(token.symbol) else {
            throw Problem(text: "invalid page_token")
        }
        return token
    }
}

/// What a page has.
enum PageKind: String, Sendable {
    case trades, quotes, bars
}

extension HTTPAnswer {
    /// An error as Alpaca writes it.
    static func refusal(_ status: Int, _ text: String) -> HTTPAnswer {
        json(status) { $0.object { $0.member("message", text) } }
    }
}
