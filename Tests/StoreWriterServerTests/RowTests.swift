import MarketModel
import Primitives
import ServiceTestSupport
import TapeCodec
import TestSupport
import Testing

@testable import StoreWriter

@Suite("Rows are what was published, field by field")
struct RowTests {
    private let time: Int64 = 1_700_000_000_123_456_789
    private static let names = ["AAPL", "BTC/USD", "O'Neil \"x\"|y", "日経\\225", "^GSPC"]

    private func source(
        _ bench: WriterBench, kind: PacketKind = .ticks, provider: String = "ib"
    ) throws -> TestSource {
        let name = kind == .bars ? SourceName.operator : try #require(SourceName("desk-1"))
        var source = TestSource(bench.tape, Partition(1), source: name, kind: kind)
        source.epoch = 7
        for name in Self.names {
            _ = source.register(
                SymbolDefinition(
                    symbol: try #require(Symbol(name)), provider: provider, since: .undefined,
                    source: kind == .bars ? SourceName("desk-1") : nil))
        }
        return source
    }

    /// Returns the rows as text, one line each, once there are so many.
    private func rows(
        _ bench: WriterBench, _ table: String, _ columns: String, count: Int
    ) throws -> [String] {
        #expect(
            try eventually {
                try bench.database.psql("SELECT count(*) FROM \(table)") == String(count)
            })
        return try bench.database.psql("SELECT \(columns) FROM \(table) ORDER BY ordinal")
            .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    /// Returns microseconds, rounded down.
    private func micro(_ time: Timestamp) -> String {
        String(time.floored(toNanoseconds: 1_000).nanoseconds / 1_000)
    }

    private static func micros(_ column: String) -> String {
        "(extract(epoch FROM \(column)) * 1000000)::bigint"
    }

    private func number(_ price: Price) -> String { price.isDefined ? String(price.raw) : "NULL" }
    private func number(_ size: Quantity) -> String { size.isDefined ? String(size.raw) : "NULL" }

    private static func raw(_ column: String, _ decimals: Int) -> String {
        "coalesce(trim_scale(\(column) * 1e\(decimals))::text, 'NULL')"
    }

    private static let tail = """
        flags, provider, coalesce(provider_id::text, 'NULL'),
        coalesce(\(micros("provider_time"))::text, 'NULL'), time_resolution,
        \(micros("receive_time")), receive_time_ns, source, partition, epoch, ordinal
        """

    private func tail(_ header: TickHeader, _ ordinal: Int) -> [String] {
        [
            String(header.flags.rawValue), "ib",
            header.providerID == 0 ? "NULL" : String(header.providerID),
            header.providerTime.isDefined ? micro(header.providerTime) : "NULL",
            String(header.resolution), micro(header.receiveTime),
            String(header.receiveTime.nanoseconds), "desk-1", "1", "7", String(ordinal),
        ]
    }

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
        let bench = try WriterBench("writer_20")
        var source = try source(bench)
        let prices: [Int64] = [123_456_789_012, -1, 0, Int64.max, Int64.max - 1]
        let sizes: [Int64] = [1, Int64.max, 0, -5, Int64.max - 1]
        let texts = ["NASDAQ", "", "a'b\\|c", "12345678", "?"]
        var expected: [String] = []
        for (index, header) in headers.enumerated() {
            let trade = Trade(
                header: header, price: Price(raw: prices[index]),
                size: Quantity(raw: sizes[index]), exchange: try #require(ShortText(texts[index])),
                conditions: try #require(ShortText(texts[4 - index])))
            source.append(trade)
            expected.append(
                ([
                    micro(header.eventTime), String(header.eventTime.nanoseconds),
                    Self.names[index], number(trade.price), number(trade.size), texts[index],
                    texts[4 - index], String(header.action),
                ] + tail(header, index + 1)).joined(separator: "|"))
        }
        try source.publish(watermark: Timestamp(nanoseconds: 0))
        let running = try bench.start()
        let columns = """
            \(Self.micros("ts")), event_time_ns, symbol, \(Self.raw("price", 9)),
            \(Self.raw("size", 8)), exchange, conditions, action, \(Self.tail)
            """
        #expect(try rows(bench, "trades", columns, count: 5) == expected)
        try running.stop()
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
            let header = TickHeader(
                symbol: 0, providerTime: Timestamp(nanoseconds: time),
                receiveTime: Timestamp(nanoseconds: time))
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
            #expect(
                try eventually {
                    try bench.database.psql(rows) == "desk-1|1|\nmanual|1|desk-1\nmanual|2|"
                }, "\(table): \(running.reasons)")
        }
        try running.stop()
    }

    @Test("quotes, with sides that are undefined")
    func quotes() throws {
        let bench = try WriterBench("writer_21")
        var source = try source(bench)
        let prices: [Int64] = [1_000_000_000, Int64.max, -7, 0, 5]
        var expected: [String] = []
        for (index, header) in headers.enumerated() {
            let quote = Quote(
                header: header, bidPrice: Price(raw: prices[index]),
                bidSize: Quantity(raw: prices[4 - index]), askPrice: Price(raw: prices[4 - index]),
                askSize: Quantity(raw: prices[index]), bidExchange: try #require(ShortText("A'")),
                askExchange: try #require(ShortText("B|")))
            source.append(quote)
            expected.append(
                ([
                    micro(header.eventTime), String(header.eventTime.nanoseconds),
                    Self.names[index], number(quote.bidPrice), number(quote.bidSize),
                    number(quote.askPrice), number(quote.askSize), "A'", "B|",
                ] + tail(header, index + 1)).joined(separator: "|"))
        }
        try source.publish(watermark: Timestamp(nanoseconds: 0))
        let running = try bench.start()
        let columns = """
            \(Self.micros("ts")), event_time_ns, symbol, \(Self.raw("bid_price", 9)),
            \(Self.raw("bid_size", 8)), \(Self.raw("ask_price", 9)), \(Self.raw("ask_size", 8)),
            bid_exchange, ask_exchange, \(Self.tail)
            """
        #expect(try rows(bench, "quotes", columns, count: 5) == expected)
        try running.stop()
    }

    private func bar(_ symbol: UInt32, _ window: Int64, _ price: Int64) -> Bar {
        var bar = Bar(
            symbol: symbol, series: 0, openTime: Timestamp(nanoseconds: window),
            closeTime: Timestamp(nanoseconds: window + 1_000_000_000))
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
        let bench = try WriterBench("writer_22")
        var source = try source(bench, kind: .bars)
        let series = source.register(
            SeriesDefinition(name: try #require(SeriesName("1s")), widthNanoseconds: 1))
        #expect(series == 0)
        source.append(bar(1, 1_700_000_000_000_000_000, 77))
        try source.publish(watermark: Timestamp(nanoseconds: 0))
        let running = try bench.start()
        let columns = """
            symbol, series, \(Self.micros("ts")), number, \(Self.raw("open", 9)),
            \(Self.raw("high", 9)), \(Self.raw("low", 9)), \(Self.raw("close", 9)),
            \(Self.raw("volume", 8)), \(Self.raw("vwap", 9)), \(Self.raw("notional", 17)), trades,
            excluded, excluded_condition, excluded_odd_lot, excluded_filter, excluded_undefined,
            open_time_ns, \(Self.micros("close_time")), close_time_ns, generation, revision, reason,
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
        #expect(
            try rows(bench, "bars", columns, count: 1) == [expected.joined(separator: "|")])
        try running.stop()
    }

    @Test("of one bar the highest revision stays, within a batch and across batches")
    func revisions() throws {
        let bench = try WriterBench("writer_23")
        var source = try source(bench, kind: .bars)
        _ = source.register(
            SeriesDefinition(name: try #require(SeriesName("1s")), widthNanoseconds: 1))
        let window: Int64 = 1_700_000_000_000_000_000
        for price: Int64 in [5, 6, 7] { source.append(bar(0, window, price)) }
        source.append(bar(0, window + 1_000_000_000, 50))
        try source.publish(watermark: Timestamp(nanoseconds: 0))
        let running = try bench.start()
        let columns = "trim_scale(open * 1e9), revision, replaced"
        #expect(try rows(bench, "bars", columns, count: 2) == ["7|3|2", "50|4|0"])
        source.append(bar(0, window, 8))
        try source.publish(watermark: Timestamp(nanoseconds: 0))
        #expect(
            try eventually {
                try rows(bench, "bars", columns, count: 2) == ["50|4|0", "8|5|3"]
            })
        #expect(
            eventually { running.service.metric("sink_writes_total{sink=\"bars\"}") == 5 })
        #expect(running.service.metric("mds_writer_bars_ignored_total") == 0)
        #expect(
            try bench.database.psql(
                "SELECT trim_scale(open * 1e9), revision FROM bar_versions ORDER BY revision")
                == "5|1\n6|2\n7|3")
        try running.stop()
        #expect(
            try bench.database.psql("SELECT input, written, missing FROM sink_audit")
                == "bars|5|0")
    }
}
