import MarketModel
import Primitives
import ServiceTestSupport
import TapeCodec
import TestSupport
import Testing

@testable import StoreWriter

@Suite("Rows are what was published, field by field")
struct RowTests {
    private let time = SinkBench.time
    private typealias Row = SinkBench

    private func number(_ price: Price) -> String { price.isDefined ? String(price.raw) : "NULL" }
    private func number(_ size: Quantity) -> String { size.isDefined ? String(size.raw) : "NULL" }

    private var headers: [TickHeader] {
        let late = Timestamp(nanoseconds: time + 999)
        return [
            TickHeader(
                symbol: 0, resolution: 1, providerTime: Timestamp(nanoseconds: time),
                receiveTime: late, providerID: UInt64.max),
            TickHeader(
                symbol: 1, flags: TickFlags(rawValue: UInt16.max), action: 1, resolution: 6,
                providerTime: .undefined, receiveTime: late, providerID: 0),
            TickHeader(
                symbol: 2, action: UInt8.max, resolution: UInt8.max,
                providerTime: Timestamp(nanoseconds: -1), receiveTime: late, providerID: 1 << 63),
            TickHeader(
                symbol: 3, flags: .snapshot, action: 2,
                providerTime: Timestamp(nanoseconds: Int64.min + 1_000),
                receiveTime: Timestamp(nanoseconds: Int64.max - 1)),
            TickHeader(
                symbol: 4, providerTime: Timestamp(nanoseconds: 0),
                receiveTime: Timestamp(nanoseconds: 1), providerID: 3),
        ]
    }

    @Test("trades")
    func trades() throws {
        let rows = try SinkBench("writer_20")
        var source = try rows.source()
        let prices: [Int64] = [123_456_789_012, -1, 0, Int64.max, Int64.max - 1]
        let sizes: [Int64] = [1, Int64.max, 0, -5, Int64.max - 1]
        let texts = ["NASDAQ", "", "a'b\\|c", "12345678", "?"]
        var expected: [[String]] = []
        for (index, header) in headers.enumerated() {
            let trade = Trade(
                header: header, price: Price(raw: prices[index]),
                size: Quantity(raw: sizes[index]), exchange: try #require(ShortText(texts[index])),
                conditions: try #require(ShortText(texts[4 - index])))
            source.append(trade)
            expected.append(
                Row.head(header)
                    + [number(trade.price), number(trade.size), texts[index], texts[4 - index]]
                    + [String(header.action)] + Row.tail(header, index + 1))
        }
        try rows.store(
            &source, "trades",
            """
            \(Row.head), \(Row.raw("price", 9)), \(Row.raw("size", 8)), exchange, conditions,
            action, \(Row.tail)
            """, expected)
    }

    @Test("ticks of a person have the source that they name; those of a source have none")
    func ofSource() throws {
        let bench = try WriterBench("writer_of_source")
        let gateway = try #require(SourceName("desk-1"))
        for (source, named) in [
            (gateway, gateway), (.manual, gateway), (.manual, nil),
        ] as [(SourceName, SourceName?)] {
            var packets = TestSource(bench.tape, Partition(named == nil ? 2 : 1), source: source)
            _ = packets.register(
                SymbolDefinition(
                    symbol: try #require(Symbol("AAPL")), provider: "ib", since: .undefined,
                    source: named))
            let header = TickHeader(at: time)
            packets.append(Trade(header: header, price: Price(raw: 1), size: Quantity(raw: 1)))
            packets.append(
                Quote(
                    header: header, bidPrice: Price(raw: 1), bidSize: Quantity(raw: 1),
                    askPrice: Price(raw: 1), askSize: Quantity(raw: 1)))
            try packets.publish(watermark: Timestamp(nanoseconds: 0))
        }
        let running = try bench.start()
        for table in ["trades", "quotes"] {
            let rows = "SELECT source, partition, of_source FROM \(table) ORDER BY 1, 2"
            try bench.database.expectSoon(
                rows, "desk-1|1|\nmanual|1|desk-1\nmanual|2|", "\(table): \(running.reasons)")
        }
        try running.stop()
    }

    @Test("quotes, with sides that are undefined")
    func quotes() throws {
        let rows = try SinkBench("writer_21")
        var source = try rows.source()
        let prices: [Int64] = [1_000_000_000, Int64.max, -7, 0, 5]
        var expected: [[String]] = []
        for (index, header) in headers.enumerated() {
            let quote = Quote(
                header: header, bidPrice: Price(raw: prices[index]),
                bidSize: Quantity(raw: prices[4 - index]), askPrice: Price(raw: prices[4 - index]),
                askSize: Quantity(raw: prices[index]), bidExchange: try #require(ShortText("A'")),
                askExchange: try #require(ShortText("B|")))
            source.append(quote)
            expected.append(
                Row.head(header)
                    + [number(quote.bidPrice), number(quote.bidSize), number(quote.askPrice)]
                    + [number(quote.askSize), "A'", "B|"] + Row.tail(header, index + 1))
        }
        try rows.store(
            &source, "quotes",
            """
            \(Row.head), \(Row.raw("bid_price", 9)), \(Row.raw("bid_size", 8)),
            \(Row.raw("ask_price", 9)), \(Row.raw("ask_size", 8)), bid_exchange, ask_exchange,
            \(Row.tail)
            """, expected)
    }

    private func bar(_ symbol: UInt32, _ window: Int64, _ price: Int64) -> Bar {
        var bar = Bar(from: window, symbol: symbol)
        bar.flags = [.partial, .final]
        bar.reason = BarReason.gap.rawValue
        bar.generation = UInt32.max
        bar.open = Price(raw: price)
        bar.high = Price(raw: price + 3)
        bar.low = .undefined
        bar.close = Price(raw: -price)
        bar.vwap = Price(raw: 2)
        bar.trades = UInt64.max
        bar.excluded = Bar.Excluded(condition: 1, oddLot: 2, filter: 3, undefined: UInt32.max)
        bar.volume = Int128(Int64.max) * 1_000_003
        bar.notional = -(Int128(Int64.max) * Int128(Int64.max))
        return bar
    }

    @Test("bars, with sums of 128 bits")
    func bars() throws {
        let rows = try SinkBench("writer_22")
        var source = try rows.source(.bars)
        source.append(bar(2, 1_700_000_000_000_000_000, 77))
        let columns = """
            symbol, series, \(Row.micros("ts")), number, \(Row.raw("open", 9)),
            \(Row.raw("high", 9)), \(Row.raw("low", 9)), \(Row.raw("close", 9)),
            \(Row.raw("volume", 8)), \(Row.raw("vwap", 9)), \(Row.raw("notional", 17)), trades,
            excluded, excluded_condition, excluded_odd_lot, excluded_filter, excluded_undefined,
            open_time_ns, \(Row.micros("close_time")), close_time_ns, generation, revision, reason,
            partial, mixed_providers, source, partition, ordinal
            """
        let volume = Int128(Int64.max) * 1_000_003
        let notional = -(Int128(Int64.max) * Int128(Int64.max))
        let expected = [
            "BTC/USD", "1s", "1700000000000000", "0", "77", "80", "NULL", "-77", "\(volume)", "2",
            "\(notional)", "\(Int64.max)", "\(UInt64(UInt32.max) + 6)", "1", "2", "3",
            "\(UInt32.max)", "1700000000000000000", "1700000001000000", "1700000001000000000",
            "\(UInt32.max)", "1", "gap", "t", "f", "desk-1", "1", "1",
        ]
        try rows.store(&source, "bars", columns, [expected])
    }

    @Test("of one bar the highest revision stays, within a batch and across batches")
    func revisions() throws {
        let rows = try SinkBench("writer_23")
        let bench = rows.bench
        var source = try rows.source(.bars)
        let window: Int64 = 1_700_000_000_000_000_000
        for price: Int64 in [5, 6, 7] { source.append(bar(0, window, price)) }
        source.append(bar(0, window + 1_000_000_000, 50))
        try source.publish(watermark: Timestamp(nanoseconds: 0))
        let running = try bench.start()
        let bars = "SELECT trim_scale(open * 1e9), revision, replaced FROM bars ORDER BY ordinal"
        try bench.database.expectSoon(bars, "7|3|2\n50|4|0")
        source.append(bar(0, window, 8))
        try source.publish(watermark: Timestamp(nanoseconds: 0))
        try bench.database.expectSoon(bars, "50|4|0\n8|5|3")
        #expect(eventually { running.service.metric("sink_writes_total{sink=\"bars\"}") == 5 })
        #expect(running.service.metric("mds_writer_bars_ignored_total") == 0)
        try bench.database.expect(
            "SELECT trim_scale(open * 1e9), revision FROM bar_versions ORDER BY revision",
            "5|1\n6|2\n7|3")
        try running.stop()
        try bench.database.expect("SELECT input, written, missing FROM sink_audit", "bars|5|0")
    }
}
