import DeadLetters
import LatestValues
import MarketModel
import Primitives
import ServiceRuntime
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import Cockpit
@testable import StoredBars

/// What the database and the tape would say of a made deployment.
extension MadeDeployment {
    private static let symbols = [
        "AAPL", "AMZN", "GOOG", "JPM", "META", "MSFT", "NVDA", "SPY", "TSLA", "XLF",
    ]
    private static let coins = ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
    private static let nanoseconds: Int64 = 1_000_000_000

    /// Returns the documents of the pages that do not follow from the sighting alone, by path.
    func pages(_ sighting: Sighting) throws -> [String: [UInt8]] {
        let actions = ActionsDocument(
            isOn: true, carrier: Self.known(0, sighting.now),
            sent: [], history: Self.known(history, sighting.now), now: sighting.now)
        return [
            "/feeds.json": FeedsDocument(look: FeedBoard.make(sighting)).json,
            "/dead.json": letters(at: sighting.now).json,
            "/chart.json": Self.answer(
                ChartDocument(page: try bars(), isLive: true).json, sighting.now),
            "/chart-choices.json": Self.answer(
                ChoicesDocument(choices: choices).json, sighting.now),
            "/latest.json": Self.answer(try latest.json, sighting.now),
            "/actions.json": actions.json,
            "/me.json": ActionAnswers.person(
                .person("alice"), isOn: true, asks: .machine
            ).json,
            "/market.json": try market(sighting.now).json,
            "/asked.json?1": Self.tables, "/asked.json?2": Self.asked,
        ]
    }

    private static func known<Value>(_ value: Value, _ now: MonotonicTime) -> Known<Value> {
        Known(value: value, measuredAt: now)
    }

    private static func answer(_ json: [UInt8], _ now: MonotonicTime) -> [UInt8] {
        PageAnswer(
            QuestionBook<ChartQuestion, [UInt8]>.Look.known(known(json, now)), at: now
        ).json
    }

    // MARK: feeds

    /// The section of a gateway about its newest ticks.
    func newest(_ source: String) -> String {
        let isAway = isBrokerAway && source == "ib"
        let names = source == "ib" ? Self.symbols : Self.coins
        let ages: [Double] = names.indices.map { index in
            let place = Double(index)
            return isAway ? 94 + place : 0.2 + place * 0.4
        }
        func count(_ above: Double, _ upTo: Double) -> Int {
            ages.count { $0 > above && $0 <= upTo }
        }
        let oldest: [String] = names.indices.reversed().map { index in
            #"{"symbol":"\#(names[index])","age_seconds":\#(ages[index])}"#
        }
        return """
            {"instruments":\(names.count),"never":0,"ages":[
            {"seconds":5,"instruments":\(count(-1, 5))},
            {"seconds":60,"instruments":\(count(5, 60))},
            {"seconds":600,"instruments":\(count(60, 600))},
            {"seconds":3600,"instruments":\(count(600, 3_600))}],
            "oldest":[\(oldest.joined(separator: ","))]}
            """
    }

    // MARK: market and SQL

    private func market(_ now: MonotonicTime) throws -> MarketDocument {
        var random = SeededRandom(seed: 41)
        let time = Self.wall(Double(PictureSite.seconds))
        var rows: [(key: MarketBoard.Key, row: MarketBoard.Row)] = []
        for (place, symbol) in (Self.symbols + Self.coins).enumerated() {
            let source = place < Self.symbols.count ? "ib" : "binance"
            var row = MarketBoard.Row()
            var price = Double(180 + place * 7)
            row.dayOpen = price
            for _ in 0..<MarketBoard.slotsMax {
                price += Double.random(in: -0.4...0.4, using: &random)
                row.line.append(Float(price))
            }
            row.number = (price * 100).rounded() / 100
            row.price = "\(row.number ?? 0)"
            row.tradesPerSecond = Double(place % 5) + 0.4
            let isAway = isBrokerAway && source == "ib"
            row.heardAt = Timestamp(
                nanoseconds: time.nanoseconds - (isAway ? 94 : 1) * Self.nanoseconds)
            let key = MarketBoard.Key(
                symbol: try #require(Symbol(symbol)), source: try #require(SourceName(source)))
            rows.append((key, row))
        }
        return MarketDocument(
            page: .init(total: rows.count, rows: rows), question: try MarketQuestion([:]),
            all: rows.count, hidden: 0, readAt: now, problem: nil)
    }

    private static func rows(_ columns: [String], _ rows: [[String?]]) -> [UInt8] {
        var document = AskedDocument(columns: columns)
        for row in rows { _ = document.take(row) }
        return document.json(seconds: 0.04, at: wall(Double(PictureSite.seconds)))
    }

    private static var tables: [UInt8] {
        rows(
            ["relname", "obj_description", "string_agg"],
            [
                ["candles", "A row per bar, in its last version.", "ts timestamptz, symbol text"],
                ["latest_trades", "The last trade of each symbol.", "symbol text, price numeric"],
                ["open_gaps", "What is missing now.", "symbol text, from_time timestamptz"],
            ])
    }

    private static var asked: [UInt8] {
        let prices = (symbols + coins).enumerated().map { place, symbol -> [String?] in
            [symbol, "2026-03-02 14:59:5\(place % 10).25+00", "\(180 + place * 7).\(place)"]
        }
        return rows(["symbol", "ts", "price"], prices)
    }

    // MARK: latest values

    private var latest: LatestDocument {
        get throws {
            let time = Self.wall(Double(PictureSite.seconds))
            func value(
                _ symbol: String, _ source: String, _ kind: String, _ ordinal: UInt64?,
                _ values: [(String, String)]
            ) throws -> LatestValue {
                var value = LatestValue(
                    symbol: try #require(Symbol(symbol)), source: SourceName(source), kind: kind)
                value.values = values.map { (name: $0.0, text: $0.1) }
                value.lane = SourceName(kind.hasPrefix("bar") ? "operator" : source)
                value.partition = Partition(3)
                value.ordinal = ordinal
                value.heardAt = Timestamp(
                    nanoseconds: time.nanoseconds - (kind.hasPrefix("bar") ? 21 : 1) * 400_000_000)
                value.kept = (from: 1, to: 48_212)
                value.gaps = kind.hasPrefix("bar") ? nil : 0
                var feed = LatestValue.Feed()
                feed.sentAt = time
                feed.ordinal = 48_214
                value.feed = feed
                return value
            }
            let missing = try #require(Symbol("XYZ"))
            let unknown = ["trade", "quote", "bar 1m"].map { kind in
                LatestValue(
                    symbol: missing, source: nil, kind: kind,
                    unknown: "Valkey has no source of it")
            }
            return LatestDocument(
                values: [
                    try value(
                        "AAPL", "ib", "trade", 48_209, [("price", "231.42"), ("size", "100")]),
                    try value(
                        "AAPL", "ib", "quote", 48_212, [("bid", "231.41"), ("ask", "231.43")]),
                    try value("AAPL", "ib", "bar 1m", 7_120, [("close", "231.40")]),
                    try value("BTCUSDT", "binance", "trade", 9_004, [("price", "97204.1")]),
                ] + unknown, problems: [], time: time)
        }
    }

    // MARK: dead letters

    private func letters(at now: MonotonicTime) -> LettersDocument {
        var tally = LetterTally()
        tally.follow(
            .init(created: Self.begun, first: 1, last: 4, messages: 4))
        for number in 1...4 as ClosedRange<UInt64> {
            let letter = letter(number)
            tally.take(LetterReader.Message(sequence: number, payload: letter.json))
        }
        tally.finish()
        var outlooks = ReplayOutlooks()
        for claim in outlooks.due(tally.news) { outlooks.note(.tried, of: claim, at: now) }
        return LettersDocument(
            letters: Self.known(tally.news, now), replays: Self.known(outlooks, now), now: now)
    }

    private func letter(_ number: UInt64) -> DeadLetter {
        DeadLetter(
            service: "store-writer", namespace: "md", owner: "store", sink: "trades",
            reason: .data,
            refusal: .init(
                sqlState: "23514", message: "new row violates check constraint",
                constraint: "price_check"),
            place: .init(
                input: "ticks", partition: Partition(3), source: .manual, epoch: 2,
                ordinal: 812_400 + number, stream: "MD_TICKS_3", streamCreated: .undefined,
                sequence: 9_000 + number),
            symbol: "XLF", eventTime: .undefined,
            notedAt: Self.wall(Double(600 + number * 7)), payload: [1])
    }

    // MARK: chart

    private var choices: BarChoices {
        var choices = BarChoices()
        choices.symbols = Self.symbols
        choices.offers = [.init(series: "1m", source: "ib"), .init(series: "5m", source: "ib")]
        return choices
    }

    /// An hour of minutes. A bar was repaired, and the source's trades came late into another one.
    private func bars() throws -> BarPage {
        var random = SeededRandom(seed: 29)
        var page = BarPage()
        var close: Int64 = 231_250
        for minute in 0..<60 as Range<Int64> {
            let open = close
            close += Int64.random(in: -140...150, using: &random)
            let (high, low) = (
                max(open, close) + Int64.random(in: 5...90, using: &random),
                min(open, close) - Int64.random(in: 5...90, using: &random)
            )
            let volume = Int128(Int64.random(in: 900...4_000, using: &random))
            let trades = UInt64(40 + minute)
            var earlier: [BarVersion] = []
            if minute == 21 {
                let wrong = [open, high + 900, low, close]
                earlier = [version(1, wrong, volume + 400, trades + 1, "closed", minute, 0.2)]
            } else if minute == 44 {
                let first = [open, high - 20, low, close - 4]
                earlier = [version(1, first, volume - 60, trades - 3, "closed", minute, 0.2)]
            }
            let revision = UInt64(earlier.count + 1)
            let reason = minute == 21 ? "repair" : minute == 44 ? "late" : "closed"
            let standing = version(
                revision, [open, high, low, close], volume, trades, reason, minute,
                minute == 21 ? 1_260 : minute == 44 ? 3 : 0.2)
            page.items.append(try item(minute, standing, earlier))
            let bid = close - Int64.random(in: 5...25, using: &random)
            page.items[page.items.count - 1].quote = StandingQuote(
                bid: Price(raw: bid * 1_000_000), ask: Price(raw: (bid + 30) * 1_000_000))
        }
        return page
    }

    private func version(
        _ revision: UInt64, _ prices: [Int64], _ volume: Int128, _ trades: UInt64,
        _ reason: String, _ minute: Int64, _ delay: Double
    ) -> BarVersion {
        var values = BarVersion.Values()
        let all = prices.map { Price(raw: $0 * 1_000_000) }
        (values.open, values.high, values.low, values.close) = (all[0], all[1], all[2], all[3])
        values.volume = volume * 100_000_000
        values.trades = trades
        var version = BarVersion(
            revision: revision, reason: reason, values: values, isWithdrawn: false)
        version.known = Timestamp(
            nanoseconds: openTime(minute + 1).nanoseconds + Int64(delay * 1e9))
        return version
    }

    /// The last bar ends at the moment of the picture.
    private func openTime(_ minute: Int64) -> Timestamp {
        let end = Self.begun.nanoseconds + Int64(PictureSite.seconds) * Self.nanoseconds
        return Timestamp(nanoseconds: end + (minute - 60) * 60 * Self.nanoseconds)
    }

    private func item(
        _ minute: Int64, _ standing: BarVersion, _ earlier: [BarVersion]
    ) throws -> BarPage.Item {
        let row = BarRow(
            identity: BarIdentity(
                symbol: try #require(Symbol("AAPL")), source: try #require(SourceName("ib")),
                series: try #require(SeriesName("1m")), openTime: openTime(minute), number: 0),
            closeTime: openTime(minute + 1), partition: 7, generation: 2,
            replaced: Int64(earlier.count), isPartial: false, isMixed: false, isFilled: false,
            excluded: Bar.Excluded(condition: 0, oddLot: 0), standing: standing)
        return BarPage.Item(row: row, replaced: earlier)
    }

    // MARK: actions

    private var history: ActionHistory {
        func action(
            _ number: Int, _ seconds: Double, _ person: String, _ command: String, _ reason: String,
            _ stage: String, _ outcome: String
        ) -> ActionHistory.Action {
            ActionHistory.Action(
                number: "\(number)", time: Self.wall(seconds),
                person: person, origin: "10.0.4.17", command: command, reason: reason,
                stage: stage, outcome: outcome)
        }
        return ActionHistory([
            action(
                4, 1_130, "alice", "member release worker-b", "the disk is in", "done",
                "worker-b is ready in operator"),
            action(
                3, 610, "alice", "member drain worker-b", "new disk", "done",
                "worker-b is drained in operator"),
            action(
                2, 540, "bob", "member drain worker-b", "wrong one?", "refused",
                "somebody else has asked something of worker-b at the same moment"),
            action(
                1, 90, "bob", "watchlist add NVDA --source ib", "asked by the desk", "done",
                "NVDA is added to source ib"),
        ])
    }
}
