import MarketModel
import Primitives
import ServiceTestSupport
import TapeCodec
import TestSupport
import Testing

@testable import StoreWriter

@Suite("Rows of every other kind are what was published, field by field")
struct SinkRowTests {
    private let watermark = Timestamp(nanoseconds: 0)
    private typealias Row = SinkBench

    @Test("depth: changes of a book, and its end")
    func depth() throws {
        let rows = try SinkBench("writer_sd")
        var source = try rows.source()
        let full = Row.header(0)
        let bare = Row.header(1, isFull: false)
        var update = DepthUpdate(
            header: full, position: UInt32.max, side: .bid, operation: .insert,
            price: Price(raw: Int64.min), size: Quantity(raw: Int64.max - 1),
            marketMaker: try #require(MarketMaker("ARCA")), flags: [.smart, .level2])
        source.append { $0.append(update) }
        update.header = bare
        update.position = 0
        update.price = .undefined
        update.size = .undefined
        update.side = 77
        update.operation = 200
        update.marketMaker = try #require(MarketMaker("sixteen chars ok"))
        update.flags = DepthFlags(rawValue: 255)
        source.append { $0.append(update) }
        source.append { $0.append(DepthReset(header: full, reason: .halted)) }
        try rows.store(
            &source,
            "depth",
            """
            \(Row.head), operation, \(Row.optional("side", "position")), \(Row.raw("price", 9)),
            \(Row.raw("size", 8)), market_maker, book_flags, \(Row.optional("reason")), \(Row.tail)
            """,
            [
                Row.head(full)
                    + ["insert", "bid", "4294967295", "\(Int64.min)", "\(Int64.max - 1)", "ARCA"]
                    + ["3", "NULL"] + Row.tail(full, 1),
                Row.head(bare)
                    + ["200", "77", "0", "NULL", "NULL", "sixteen chars ok", "255", "NULL"]
                    + Row.tail(bare, 2),
                Row.head(full)
                    + ["reset", "NULL", "NULL", "NULL", "NULL", "", "0", "halted"]
                    + Row.tail(full, 3),
            ])
    }

    @Test("options: what was computed, and what was not")
    func options() throws {
        let rows = try SinkBench("writer_so")
        var source = try rows.source()
        let full = Row.header(1)
        var option = OptionComputation(header: full, kind: .model, basis: .prices)
        source.append { $0.append(option) }
        option.impliedVolatility = Ratio(raw: 1)
        option.delta = Ratio(raw: -999_999_999)
        option.gamma = Ratio(raw: Int64.min)
        option.vega = Ratio(raw: Int64.max - 1)
        option.theta = Ratio(raw: 0)
        option.optionPrice = Price(raw: 10_000_000_000_000)
        option.dividends = Price(raw: 7)
        option.underlyingPrice = Price(raw: -1)
        option.kind = 99
        option.basis = 98
        source.append { $0.append(option) }
        let numbers = [
            "implied_volatility", "delta", "gamma", "vega", "theta", "option_price", "dividends",
            "underlying_price",
        ].map { Row.raw($0, 9) }.joined(separator: ", ")
        let nothing = [String](repeating: "NULL", count: 8)
        try rows.store(
            &source,
            "options", "\(Row.head), computed_from, basis, \(numbers), \(Row.tail)",
            [
                Row.head(full) + ["model", "prices"] + nothing + Row.tail(full, 1),
                Row.head(full) + ["99", "98", "1", "-999999999", "\(Int64.min)"]
                    + ["\(Int64.max - 1)", "0", "10000000000000", "7", "-1"] + Row.tail(full, 2),
            ])
    }

    @Test("news: headlines, and bulletins to everybody")
    func news() throws {
        let rows = try SinkBench("writer_sn")
        var source = try rows.source()
        let full = Row.header(1)
        let all = Row.header(TickHeader.noSymbol, isFull: false)
        let headline = NewsHeadline(
            header: full, provider: "DJ-N", article: "a'1", headline: "Ünï ☃\\N|x", extra: "")
        var bulletin = NewsBulletin(
            header: all, kind: .exchangeUnavailable, text: "closed", exchange: "NYSE")
        source.append { $0.append(headline) == .appended }
        source.append { $0.append(bulletin) == .appended }
        bulletin.kind = 9
        source.append { $0.append(bulletin) == .appended }
        try rows.store(
            &source,
            "news",
            """
            \(Row.head), kind, \(Row.optional("publisher", "article")), body,
            \(Row.optional("extra", "bulletin_kind", "exchange")), \(Row.tail)
            """,
            [
                Row.head(full)
                    + ["headline", "DJ-N", "a'1", "Ünï ☃\\N|x", "", "NULL", "NULL"]
                    + Row.tail(full, 1),
                Row.head(all)
                    + [
                        "bulletin", "NULL", "NULL", "closed", "NULL", "exchange_unavailable",
                        "NYSE",
                    ]
                    + Row.tail(all, 2),
                Row.head(all) + ["bulletin", "NULL", "NULL", "closed", "NULL", "9", "NYSE"]
                    + Row.tail(all, 3),
            ])
    }

    @Test("fundamentals: parts, and the documents that they make")
    func fundamentals() throws {
        let rows = try SinkBench("writer_sf")
        var source = try rows.source()
        var header = Row.header(0)
        header.providerID = 41
        let document = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let parts = try #require(
            FundamentalPart.parts(of: document, report: "ReportsFinSummary", header: header))
        #expect(parts.count == 3)
        // In the wrong order, one of them twice; and one of a document that is incomplete.
        var lone = parts[1]
        lone.header.providerID = 42
        for part in [parts[2], parts[0], parts[1], parts[0], lone] {
            source.append { $0.append(part) == .appended }
            try source.publish(watermark: watermark)
        }
        try rows.expectStored(
            "fundamentals",
            "\(Row.head), report, part, parts, document_bytes, length(content), \(Row.tail)",
            [2, 0, 1, 0, 1].enumerated().map { index, part in
                Row.head(header)
                    + ["ReportsFinSummary", "\(part)", "3", "100000"]
                    + ["\(parts[part].content.count)"]
                    + Row.tail((index == 4 ? lone : parts[0]).header, index + 1)
            })
        try rows.bench.database.expect(
            """
            SELECT symbol, report, provider_id, parts_stored, complete,
                content = (
                    SELECT string_agg(set_byte('\\x00', 0, i * 7 % 256), '' ORDER BY i)
                    FROM generate_series(0, 99999) i)
            FROM fundamental_documents ORDER BY provider_id
            """, "AAPL|ReportsFinSummary|41|3|t|t\nAAPL|ReportsFinSummary|42|1|f|f")
    }

    @Test("indicators: values of 128 bits, periods, revisions")
    func indicators() throws {
        let rows = try SinkBench("writer_si")
        var source = try rows.source()
        let full = Row.header(TickHeader.noSymbol)
        let from = Timestamp(nanoseconds: -1)
        let to = Timestamp(nanoseconds: Row.time)
        var value = IndicatorValue(
            header: full, name: "GDP", unit: "USD", value: Int128.min, periodStart: from,
            periodEnd: to, revision: 1 << 32)
        source.append { $0.append(value) == .appended }
        value.value = IndicatorValue.undefined
        value.periodStart = .undefined
        value.periodEnd = .undefined
        value.unit = ""
        value.revision = 0
        source.append { $0.append(value) == .appended }
        let times = Row.optional(
            Row.micros("period_start"), "period_start_ns", Row.micros("period_end"),
            "period_end_ns")
        try rows.store(
            &source,
            "indicators",
            "\(Row.head), name, unit, \(Row.raw("value", 9)), \(times), revision, \(Row.tail)",
            [
                Row.head(full) + ["GDP", "USD", "\(Int128.min)", "-1", "-1", Row.micros(of: to)]
                    + ["\(Row.time)", "4294967296"] + Row.tail(full, 1),
                Row.head(full) + ["GDP", "", "NULL", "NULL", "NULL", "NULL", "NULL", "0"]
                    + Row.tail(full, 2),
            ])
    }

    @Test("bars of a provider stand at their close")
    func providerBars() throws {
        let rows = try SinkBench("writer_sb")
        var source = try rows.source()
        let full = Row.header(0)
        let open = Timestamp(nanoseconds: Row.time - 5_000_000_000)
        let close = Timestamp(nanoseconds: Row.time + 7)
        var bar = ProviderBar(header: full, openTime: open, closeTime: close, kind: .bidAsk)
        source.append { $0.append(bar) }
        bar.openTime = .undefined
        bar.open = Price(raw: 1)
        bar.high = Price(raw: 1_000_000_000)
        bar.low = Price(raw: -1_500_000_000)
        bar.close = Price(raw: 0)
        bar.vwap = Price(raw: Int64.max - 1)
        bar.volume = Int128(Int64.max) * 1_000_003
        bar.trades = Int64.min
        bar.kind = 55
        bar.flags = [.inProgress, .regularHours]
        bar.header = Row.header(1, isFull: false)
        source.append { $0.append(bar) }
        let prices = ["open", "high", "low", "close", "vwap"].map { Row.raw($0, 9) }
            .joined(separator: ", ")
        try rows.store(
            &source,
            "provider_bars",
            """
            \(Row.head), made_of, \(Row.optional(Row.micros("open_time"), "open_time_ns")),
            \(prices),
            \(Row.raw("volume", 8)), \(Row.optional("trades")), bar_flags,
            \(Row.optional("provider_time_ns")), \(Row.tail)
            """,
            [
                Row.head(full, time: close)
                    + ["bid_ask", Row.micros(of: open), "\(open.nanoseconds)"]
                    + [String](repeating: "NULL", count: 7) + ["0", "\(Row.time)"]
                    + Row.tail(full, 1),
                Row.head(bar.header, time: close)
                    + ["55", "NULL", "NULL", "1", "1000000000", "-1500000000", "0"]
                    + ["\(Int64.max - 1)", "\(bar.volume)", "\(Int64.min)", "3", "NULL"]
                    + Row.tail(bar.header, 2),
            ])
    }

    @Test("late ticks come with the bars, and the audit of the bars knows them")
    func lateTicks() throws {
        let rows = try SinkBench("writer_sl")
        var source = try rows.source(.bars)
        var full = Row.header(0)
        full.action = 1
        let bare = Row.header(1, isFull: false)
        let open = Timestamp(nanoseconds: Row.time)
        let of = try #require(SourceName("desk-1"))
        let arca = try #require(ShortText("ARCA"))
        let trade = Trade(
            header: full, price: Price(raw: 5), size: .undefined, exchange: arca,
            conditions: ShortText(raw: 0x0141))
        let quote = Quote(
            header: bare, bidPrice: Price(raw: 3), bidSize: .undefined, askPrice: Price(raw: 4),
            askSize: Quantity(raw: 9), bidExchange: .empty,
            askExchange: try #require(ShortText("12345678")))
        let bar = Bar(symbol: 0, series: 0, openTime: open, closeTime: open)
        source.append(bar)
        source.append {
            $0.append(
                LateTickRecord(
                    trade, source: of, ordinal: 17, series: 0, openTime: open,
                    closeTime: .undefined, reason: .windowLimit))
        }
        source.append {
            $0.append(
                LateTickRecord(
                    quote, source: of, ordinal: UInt64(Int64.max), series: 0, openTime: open,
                    closeTime: open, reason: .duplicate))
        }
        source.append(bar)
        source.append { $0.append(Self.computed(open)) == .appended }
        let values = """
            series, reason, kind, \(Row.raw("price", 9)), \(Row.raw("size", 8)), exchange,
            conditions, \(Row.raw("ask_price", 9)), \(Row.raw("ask_size", 8)),
            \(Row.optional(Row.micros("open_time"), "open_time_ns")),
            \(Row.optional(Row.micros("close_time"), "close_time_ns")), of_source, of_ordinal,
            action
            """
        let time = [Row.micros(of: open), "\(Row.time)"]
        try rows.store(
            &source,
            "late_ticks", "\(Row.head), \(values), \(Row.tail)",
            [
                Row.head(full)
                    + ["1s", "window_limit", "trade", "5", "NULL", "ARCA", "A?", "NULL", "NULL"]
                    + time + ["NULL", "NULL", "desk-1", "17", "1"]
                    + Row.tail(full, 2, source: "operator"),
                Row.head(bare)
                    + ["1s", "duplicate", "quote", "3", "NULL", "", "12345678", "4", "9"]
                    + time + time + ["desk-1", "\(Int64.max)", "0"]
                    + Row.tail(bare, 3, source: "operator"),
            ])
        try expectAudit(rows.bench)
    }

    /// Publishes what an operator makes beside bars.
    private static func computed(_ time: Timestamp) -> IndicatorValue {
        IndicatorValue(
            header: Row.header(0), name: "stats.1m.max", value: 7, periodStart: time,
            periodEnd: time)
    }

    /// Publishes two versions of a bar, two late ticks and a value. The audit passes, and notices a
    /// row that is deleted.
    private func expectAudit(_ bench: WriterBench) throws {
        #expect(try bench.missing() == "0")
        try bench.database.expect("SELECT count(*), max(replaced) FROM bars", "1|1")
        try Audit.expect("bars_stored", in: bench.database)
        let computed = "SELECT name, source FROM indicators"
        try bench.database.expect(computed, "stats.1m.max|operator")
        try bench.database.psql("DELETE FROM late_ticks WHERE ordinal = 2")
        #expect(try !Audit.check("bars_stored", in: bench.database).hasSuffix("|t|"))
    }
}
