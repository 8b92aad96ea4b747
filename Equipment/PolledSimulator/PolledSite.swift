package import Primitives
package import VenueWeb

/// A server of FRED, CoinGecko and Alternative.me without sockets.
package typealias SimulatedServices = WebVenue<PolledSite>

/// The requests of three services that are polled. There are no WebSockets.
package struct PolledSite: WebSite {
    /// Nothing is known about a client.
    package struct Session: Sendable {}

    private let polled: PolledSettings
    package let seed: UInt64
    private var clock: SimulatedClock
    private let series: [FredSeries]
    private let prices: CoinPrices
    private let fear: FearIndex
    private var marketLog: VenueLog
    private var records: Int64 = 0
    /// The latest simulated time up to which the values are in the log.
    private var loggedTo = Timestamp(nanoseconds: 0)
    /// The keys are refused.
    private var isExpired = false
    /// The code by which CoinGecko refuses everything; 0: it does not.
    private var coinError = 0

    package init(_ settings: PolledSettings, seed: UInt64, start: Timestamp) {
        polled = settings
        self.seed = seed
        clock = SimulatedClock(settings, start: start)
        series = FredSeries.series(seed: seed)
        prices = CoinPrices(seed: seed)
        fear = FearIndex(seed: seed)
        marketLog = VenueLog(isWanted: settings.web.keepsMarketLog)
        // What is known from the start on.
        log(until: clock.time(start), at: start)
    }

    package static var ownCommands: String {
        "expire | renew | coin-error CODE | ahead SECONDS | back SECONDS | speed N"
    }
    package var settings: WebSettings { polled.web }
    package func newSession() -> Session { Session() }
    package mutating func takeMarketLog() -> [UInt8] { marketLog.takeLines() }

    package mutating func control(
        _ name: String, _ numbers: [Int], now: Timestamp
    ) -> String? {
        guard let command = Command(rawValue: name), numbers.count == command.count else {
            return nil
        }
        switch command {
        case .expire: isExpired = true
        case .renew: isExpired = false
        case .coinError:
            guard CoinRequests.keyErrors[numbers[0]] != nil || numbers[0] == 0 else { return nil }
            coinError = numbers[0]
        case .ahead: clock.step(seconds: Int64(numbers[0]))
        case .back: clock.step(seconds: -Int64(numbers[0]))
        case .speed:
            guard numbers[0] <= PolledLimits.speedMax else { return nil }
            clock.go(numbers[0], from: now)
        }
        return "ok"
    }

    private enum Command: String {
        case expire, renew, ahead, back, speed
        case coinError = "coin-error"

        /// How many numbers it has.
        var count: Int {
            switch self {
            case .expire, .renew: 0
            case .coinError, .ahead, .back, .speed: 1
            }
        }
    }

    // MARK: requests

    package func answer(_ request: VenueRequest, now: Timestamp) -> HTTPAnswer {
        guard request.method == "GET" else { return HTTPAnswer(status: 405) }
        var answer = values(request, clock.time(now))
        if !answer.details.isEmpty {
            answer.details = "\"answered\":\(now.nanoseconds),\(answer.details)"
        }
        return answer
    }

    /// `now` is simulated.
    private func values(_ request: VenueRequest, _ now: Timestamp) -> HTTPAnswer {
        if request.path.hasPrefix("/fred/") {
            return FredRequests(
                series: series, key: isExpired ? nil : polled.fredKey, now: now
            ).answer(request)
        }
        if request.path.hasPrefix("/api/v3/") {
            if let (status, text) = CoinRequests.keyErrors[coinError] {
                return CoinRequests.error(status, coinError, text)
            }
            let key = polled.coinKey.map { isExpired ? .expired : CoinRequests.CoinKey.right($0) }
            return CoinRequests(prices: prices, key: key, now: now).answer(request)
        }
        return fear.answer(request, now: now)
    }

    /// Writes the values of an answer for the truth log: their periods and texts.
    static func write(_ values: [[String]], into json: inout JSONWriter) {
        json.array("values") { list in
            for row in values { list.array { cells in for text in row { cells.value(text) } } }
        }
    }

    package func refusal(_ request: VenueRequest, status: Int) -> HTTPAnswer {
        let texts = [
            429: "Too Many Requests.  Exceeded Rate Limit", 423: "Locked", 403: "Forbidden",
        ]
        let text = texts[status] ?? "Internal Server Error"
        if request.path.hasPrefix("/fred/") {
            return FredDocument.error(status, text, isJSON: FredRequests.isJSON(request))
        }
        if request.path.hasPrefix("/api/v3/") { return CoinRequests.error(status, status, text) }
        return HTTPAnswer(status: status)
    }

    // MARK: what becomes known

    package mutating func publish(
        after: Timestamp, until: Timestamp, to connections: inout [Connection]
    ) {
        guard marketLog.isWanted else { return }
        log(until: clock.time(until), at: until)
    }

    /// Logs what became known until a simulated time. What the clock goes through again after a
    /// step back is in the log already.
    private mutating func log(until: Timestamp, at time: Timestamp) {
        let after = loggedTo
        guard marketLog.isWanted, until > after || after.nanoseconds == 0 else { return }
        loggedTo = until
        for each in series { log(each, after: after, until: until, at: time) }
        logPrices(after: after, until: until, at: time)
        let first = max(FearIndex.firstDay, FearIndex.day(after) + 1)
        for day in first..<max(first, FearIndex.day(until) + 1) {
            let value = fear.value(day)
            add("alternative.me", at: time) { json in
                json.member("value", "\(value)")
                json.member("value_classification", FearIndex.classification(value))
                json.member("timestamp", "\(day * 86_400)")
            }
        }
    }

    private mutating func log(
        _ series: FredSeries, after: Timestamp, until: Timestamp, at time: Timestamp
    ) {
        let days = series.knownDay(after)..<max(series.knownDay(after), series.knownDay(until))
        guard !days.isEmpty else { return }
        let first = days.lowerBound - FredSeries.vintageDaysMax
        for period in series.periods(from: first, until: days.upperBound) {
            for vintage in series.vintages(period)
            where days.contains(vintage.known.daysSinceEpoch - 1) {
                add("fred", at: time) { json in
                    json.member("series", series.id)
                    json.member("date", vintage.date.description)
                    json.member("value", vintage.value)
                    json.member("realtime_start", vintage.known.description)
                }
            }
        }
    }

    private mutating func logPrices(after: Timestamp, until: Timestamp, at time: Timestamp) {
        let last = until.nanoseconds / CoinPrices.period
        let first = max(
            after.nanoseconds / CoinPrices.period + 1,
            after.nanoseconds == 0 ? last : last - PolledLimits.loggedStepsMax)
        guard first <= last else { return }
        for number in first...last {
            let updated = Timestamp(nanoseconds: number * CoinPrices.period)
            for (place, coin) in CoinPrices.coins.enumerated() {
                for (lane, currency) in CoinPrices.currencies.enumerated() {
                    guard let price = prices.price(place, lane, at: updated) else { continue }
                    add("coingecko", at: time) { json in
                        json.member("id", coin.id)
                        json.member("currency", currency)
                        json.member("value", price)
                        json.member("last_updated_at", updated.nanoseconds / 1_000_000_000)
                    }
                }
            }
        }
    }

    private mutating func add(
        _ source: String, at time: Timestamp, _ members: (inout JSONWriter) -> Void
    ) {
        records += 1
        let number = records
        marketLog.add { json in
            json.member("record", number)
            json.member("time", time.nanoseconds)
            json.member("source", source)
            members(&json)
        }
    }
}
