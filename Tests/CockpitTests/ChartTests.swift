import MarketModel
import Primitives
import TestSupport
import Testing

@testable import Cockpit
@testable import StoredBars

@Suite("The chart") struct ChartTests {
    private static let open: Int64 = 1_795_701_660_000_000_000

    /// Prices in whole units: open, high, low, close.
    private static func version(
        _ revision: UInt64, _ prices: [Int64]?, volume: Int128 = 0, reason: String = "closed",
        known: Double? = nil
    ) -> BarVersion {
        var values = BarVersion.Values()
        if let prices {
            let all = prices.map { Price(raw: $0 * 1_000_000_000) }
            (values.open, values.high, values.low, values.close) = (all[0], all[1], all[2], all[3])
        }
        values.volume = volume * 100_000_000
        values.trades = revision
        var version = BarVersion(
            revision: revision, reason: reason, values: values, isWithdrawn: prices == nil)
        version.known = known.map {
            Timestamp(nanoseconds: open + 60_000_000_000 + Int64($0 * 1e9))
        }
        return version
    }

    private static func item(
        _ minute: Int64, _ standing: BarVersion, _ earlier: [BarVersion] = [],
        replaced: Int64? = nil, symbol: String = "AAPL"
    ) throws -> BarPage.Item {
        let time = Timestamp(nanoseconds: open + minute * 60_000_000_000)
        let row = BarRow(
            identity: BarIdentity(
                symbol: try #require(Symbol(symbol)), source: try #require(SourceName("ib")),
                series: try #require(SeriesName("1m")), openTime: time, number: 0),
            closeTime: time.advanced(byNanoseconds: 60_000_000_000), partition: 7, generation: 2,
            replaced: replaced ?? Int64(earlier.count), isPartial: false, isMixed: false,
            isFilled: false, excluded: Bar.Excluded(condition: 3, oddLot: 0), standing: standing)
        return BarPage.Item(row: row, replaced: earlier)
    }

    private static func page(_ items: [BarPage.Item]) -> BarPage {
        var page = BarPage()
        page.items = items
        return page
    }

    @Test("a bar has the bid and the ask at its end, as far as they are known")
    func quotes() throws {
        func quote(_ bid: Double?, _ ask: Double?) -> StandingQuote {
            let prices = [bid, ask].map { side in
                side.map { Price(raw: Int64($0 * 1e9)) } ?? .undefined
            }
            return StandingQuote(bid: prices[0], ask: prices[1])
        }
        var page = Self.page(
            try (0..<4).map { try Self.item($0, Self.version(1, [100, 110, 90, 105])) })
        page.items[0].quote = quote(104.5, 115)
        page.items[1].quote = quote(0.01, 199_999)
        page.items[2].quote = quote(nil, 111)
        page.quotesProblem = "too late\nfor them"
        let json = try JSONValue.parse(ChartDocument(page: page, isLive: true).json)
        let bars = try #require(json["bars"]?.array)
        #expect(bars.map { $0["bid"]?.string } == ["104.5", "0.01", nil, nil])
        #expect(bars.map { $0["ask"]?.string } == ["115", "199999", "111", nil])
        #expect(json["quotes_problem"]?.string == "too late; for them")
    }

    @Test("versions without prices have none in the document, and a page without bars has no bar")
    func empty() throws {
        let item = try Self.item(0, Self.version(1, nil))
        let json = try JSONValue.parse(ChartDocument(page: Self.page([item]), isLive: true).json)
        let bar = try #require(json["bars"]?.array?.first)
        #expect(bar["close"] == nil && bar["withdrawn"]?.bool == true)
        let none = try JSONValue.parse(ChartDocument(page: BarPage(), isLive: true).json)
        #expect(none["bars"]?.array?.isEmpty == true)
    }

    @Test("ghosts have the numbers of their versions, also where the first ones are not stored")
    func ghosts() throws {
        let flat: [Int64] = [1, 1, 1, 1]
        let item = try Self.item(
            0, Self.version(9, flat), [Self.version(5, flat), Self.version(7, flat)], replaced: 4)
        let json = try JSONValue.parse(
            ChartDocument(page: Self.page([item]), isLive: true).json)
        let bar = try #require(json["bars"]?.array?.first)
        #expect(bar["version"]?.int == 5 && bar["missing"]?.int == 2)
        let ghosts = try #require(bar["ghosts"]?.array)
        #expect(ghosts.map { $0["version"]?.int } == [3, 4])
        #expect(ghosts.map { $0["trades"]?.int } == [5, 7])
    }

    @Test("the document has the numbers of the table, each version with reason and delay")
    func document() throws {
        let item = try Self.item(
            0, Self.version(2, [10, 12, 9, 11], volume: 5, reason: "late", known: 4.25),
            [Self.version(1, [10, 11, 9, 10], volume: 4, known: 0.5)])
        var page = Self.page([item])
        page.earlier = Timestamp(nanoseconds: Self.open - 1_500_000_000)
        let json = try JSONValue.parse(ChartDocument(page: page, isLive: false).json)
        #expect(json["live"]?.bool == false && json["later"] == nil)
        #expect(json["earlier"]?.string == "2026-11-26T14:00:58.5Z")
        let bar = try #require(json["bars"]?.array?.first)
        #expect(bar["time"]?.string == "2026-11-26T14:01:00Z")
        #expect(bar["open_ns"]?.string == "\(Self.open)" && bar["number"]?.string == "0")
        #expect(bar["ended"]?.double == 1_795_701_720)
        #expect(bar["high"]?.string == "12" && bar["volume"]?.string == "5")
        #expect(bar["reason"]?.string == "late" && bar["delay"]?.string == "4.25 s")
        let ghost = try #require(bar["ghosts"]?.array?.first)
        #expect(ghost["version"]?.int == 1 && ghost["close"]?.string == "10")
        #expect(ghost["delay"]?.string == "0.5 s" && ghost["reason"]?.string == "closed")
    }

    @Test("a bar says what the database knows of it, and which commands say more")
    func bar() throws {
        let item = try Self.item(
            0, Self.version(9, nil, reason: "bust"), [Self.version(5, [1, 2, 1, 2], known: 1)],
            replaced: 3, symbol: "BTC/USD")
        let gap = WindowGap(
            kind: "trade", state: "open", reason: "outage", from: "a", to: "lasts", source: "ib",
            noted: "b")
        let json = try JSONValue.parse(
            BarDocument(row: item.row, replaced: item.replaced, gaps: [gap]).json)
        #expect(
            json["words"]?.array?.compactMap(\.string) == [
                "withdrawn: it is void", "left out: 3 by condition",
                "partition 7, generation 2, output ordinal 9, 3 earlier versions",
                "2 earlier versions are not in the database any more",
            ])
        let versions = try #require(json["versions"]?.array)
        #expect(versions.map { $0["version"]?.int } == [3, 4])
        #expect(versions[0]["close"]?.string == "2" && versions[1]["close"] == nil)
        #expect(versions[1]["withdrawn"]?.bool == true && versions[1]["reason"]?.string == "bust")
        #expect(json["gaps"]?.array?.first?["to"]?.string == "lasts")
        #expect(
            json["explain"]?.string
                == "tapeline explain --source ib BTC/USD 1m 2026-11-26T14:01:00Z")
        #expect(
            json["prove"]?.string
                == "tapeline prove --series 1m --from 2026-11-26T14:01:00Z "
                + "--to 2026-11-26T14:02:00Z BTC/USD")
    }

    @Test(
        "a symbol does nothing in a shell",
        arguments: [
            ("AAPL", "AAPL"), ("a b", "'a b'"), ("$(rm)", "'$(rm)'"), ("^GSPC", "'^GSPC'"),
            ("it's", "'it'\\''s'"), ("é", "'é'"), ("-x", "-- -x"), ("~", "'~'"),
        ])
    func shell(symbol: String, word: String) throws {
        let bar = try Self.item(0, Self.version(1, nil), symbol: symbol).row.identity
        #expect(TapeCommand.explain(bar).contains("--source ib \(word) 1m 2026"))
        #expect(TapeCommand.prove(bar, until: .undefined).hasSuffix(" \(word)"))
        #expect(
            TapeCommand.explain(bar, in: "tws").hasPrefix("tapeline explain --name tws --source"))
        #expect(
            TapeCommand.prove(bar, until: .undefined, in: "tws")
                .hasPrefix("tapeline prove --name tws --series"))
    }

    private static let asked = ["symbol": "AAPL", "source": "ib", "series": "1m"]

    @Test("a whole question is read, and another path is none")
    func question() throws {
        let symbol = try #require(Symbol("AAPL"))
        let source = try #require(SourceName("ib"))
        let series = try #require(SeriesName("1m"))
        #expect(try ChartQuestion.read("/gaps.json", Self.asked) == nil)
        #expect(
            try ChartQuestion.read("/chart.json", Self.asked)
                == .page(symbol: symbol, source: source, series: series, from: nil))
        let time = Timestamp(nanoseconds: Self.open)
        #expect(
            try ChartQuestion.read(
                "/chart.json", Self.asked.merging(["from": "2026-11-26T14:01:00Z"]) { $1 })
                == .page(symbol: symbol, source: source, series: series, from: time))
        let bar = Self.asked.merging(["open": "\(Self.open)", "number": "-2"]) { $1 }
        #expect(
            try ChartQuestion.read("/chart-bar.json", bar)
                == .bar(
                    BarIdentity(
                        symbol: symbol, source: source, series: series, openTime: time, number: -2))
        )
        #expect(try ChartQuestion.read("/chart-choices.json", [:]) == .choices("", from: nil))
        #expect(
            try ChartQuestion.read("/chart-choices.json", ["symbol": "A"])
                == .choices("A", from: nil))
    }

    @Test(
        "what is too long, has other characters or is out of range is refused with a sentence",
        arguments: [
            ["symbol": ""], ["symbol": "A\u{0}"], ["symbol": "A\n"], ["source": ""],
            ["source": "a b"], ["series": "1 m"], ["series": ""], ["from": "now"],
            ["from": "2026-11-26T14:01:00"], ["from": "9999-11-26T14:01:00Z"],
            ["open": "x"], ["open": "9223372036854775807"], ["open": "99999999999999999999"],
            ["number": "1e3"], ["number": ""],
            ["symbol": String(repeating: "x", count: 513)],
            ["source": String(repeating: "x", count: 25)],
            ["series": String(repeating: "x", count: 33)],
            ["from": String(repeating: "0", count: 10_000)],
        ])
    func refused(change: [String: String]) throws {
        let whole = Self.asked.merging(["open": "1", "number": "0", "from": ""]) { $1 }
        #expect(try ChartQuestion.read("/chart-bar.json", whole) != nil)
        let path = change["from"] == nil ? "/chart-bar.json" : "/chart.json"
        let error = #expect(throws: QuestionRefusal.self) {
            try ChartQuestion.read(path, whole.merging(change) { $1 })
        }
        let sentence = try #require(error).description
        #expect(sentence.count < 120 && !sentence.contains("\n"), "\(sentence)")
        let answer = ChartDesk().answer(
            path, whole.merging(change) { $1 }, at: MadeSighting.time(0))
        #expect(answer?.status == 400)
    }

    private typealias Look = QuestionBook<ChartQuestion, [UInt8]>.Look

    @Test("an answer has the time at which it was asked, and a reason when there is none")
    func answers() throws {
        func json(_ known: Known<[UInt8]>, at seconds: Double) throws -> JSONValue {
            try JSONValue.parse(
                PageAnswer(Look.known(known), at: MadeSighting.time(seconds)).json)
        }
        #expect(try json(Known(), at: 1)["absence"]?.string == "not asked yet")
        #expect(try json(Known(), at: 1)["at"] == nil)
        let known = Known(value: Array("{\"live\":true}".utf8), measuredAt: MadeSighting.time(1))
        let fresh = try json(known, at: 2)
        #expect(fresh["at"]?.double == 1_001 && fresh["absence"] == nil)
        #expect(fresh.at("value", "live")?.bool == true)
        #expect(try json(known, at: 5)["absence"]?.string == "the last answer is 4 s old")
        let refused = PageAnswer(Look.refused("no"), at: MadeSighting.time(1))
        #expect(refused.status == 200)
        #expect(try JSONValue.parse(refused.json)["refused"]?.string == "no")
    }
}
