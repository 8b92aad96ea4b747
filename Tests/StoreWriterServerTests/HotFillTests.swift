import HotState
import MarketModel
import PostgresClient
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import StoreWriter

/// Values of before a restart of the writer and of Valkey, in real servers.
@Suite("The hot state from the database")
struct HotFillTests {
    private static let nanoseconds: Int64 = 1_000_000_000

    private let bench: WriterBench
    /// When the values were received: lately, as keys have a life.
    private let time = SystemClock().now().advanced(byNanoseconds: -3_600 * nanoseconds)

    init() throws { try self.init(timescale: true) }

    private init(timescale: Bool) throws {
        bench = try WriterBench("writer_fill\(UInt32.random(in: 0...99_999))", timescale: timescale)
    }

    /// The number of symbols: some in each partition, more than one step reads.
    private static let symbols = 500

    private func name(_ number: Int) throws -> Symbol { try #require(Symbol("SYM\(number)")) }

    private func partition(of symbol: Symbol) -> Partition {
        Partition(of: symbol, count: bench.tape.names.partitions)
    }

    private func header(_ symbol: UInt32, after seconds: Int64 = 0) -> TickHeader {
        let moment = time.advanced(byNanoseconds: seconds * Self.nanoseconds + 7)
        return TickHeader(symbol: symbol, providerTime: moment, receiveTime: moment)
    }

    /// A source in each partition, with the symbols that belong there.
    private struct Feed {
        var source: TestSource
        var symbols: [Int: UInt32] = [:]
    }

    private func feeds(_ name: String, _ kind: PacketKind = .ticks) throws -> [Feed] {
        let source = try #require(SourceName(name))
        var feeds = (0..<bench.tape.names.partitions).map { partition in
            Feed(
                source: TestSource(
                    bench.tape, Partition(partition), source: kind == .bars ? .operator : source,
                    kind: kind))
        }
        for number in 0..<Self.symbols {
            let symbol = try self.name(number)
            let place = partition(of: symbol).number
            feeds[place].symbols[number] = feeds[place].source.define(
                symbol, of: kind == .bars ? source : nil)
        }
        return feeds
    }

    /// Publishes a record of each symbol for which `append` adds one.
    private func publish(
        _ feeds: inout [Feed], _ append: (inout TestSource, Int, UInt32) -> Void
    ) throws {
        for place in feeds.indices {
            for (number, symbol) in feeds[place].symbols.sorted(by: { $0.key < $1.key }) {
                append(&feeds[place].source, number, symbol)
                // So that no packet is too long.
                if number.isMultiple(of: 8) {
                    try feeds[place].source.publish(watermark: Timestamp(nanoseconds: 0))
                }
            }
            try feeds[place].source.publish(watermark: Timestamp(nanoseconds: 0))
        }
    }

    private func trade(_ symbol: UInt32, _ price: Int, after seconds: Int64 = 0) -> Trade {
        Trade(
            header: header(symbol, after: seconds),
            price: Price(raw: Int64(price) * Self.nanoseconds), size: Quantity(raw: 1))
    }

    private func publishTicks(_ feeds: inout [Feed], _ prices: (Int) -> Int) throws {
        try publish(&feeds) { source, number, symbol in
            source.append(self.trade(symbol, 1))
            // Two trades of one moment: the later one on the tape counts.
            source.append(self.trade(symbol, 2, after: 1))
            source.append(self.trade(symbol, prices(number), after: 1))
            source.append(
                Quote(
                    header: self.header(symbol, after: 2), bidPrice: .undefined,
                    bidSize: .undefined, askPrice: Price(raw: Int64(number) * Self.nanoseconds),
                    askSize: Quantity(raw: 1)))
            source.append { $0.append(self.providerBar(symbol, number)) == true }
        }
    }

    private func providerBar(_ symbol: UInt32, _ number: Int) -> ProviderBar {
        let open = header(symbol).eventTime
        var bar = ProviderBar(
            header: header(symbol, after: 5), openTime: open,
            closeTime: open.advanced(byNanoseconds: 5 * Self.nanoseconds), kind: .trades)
        bar.close = Price(raw: Int64(number) * Self.nanoseconds)
        return bar
    }

    private func publishBars(
        _ feeds: inout [Feed], _ closes: (Int) -> Int, minute: Int64 = 0,
        of own: (Int) -> Bool = { _ in true }
    ) throws {
        let open = time.floored(toNanoseconds: 3_600 * Self.nanoseconds)
            .advanced(byNanoseconds: minute * 60 * Self.nanoseconds)
        for (series, seconds) in [("1m", 60), ("1h", 3_600)] as [(String, Int64)] {
            let name = try #require(SeriesName(series))
            for place in feeds.indices {
                let index = feeds[place].source.register(
                    SeriesDefinition(name: name, widthNanoseconds: seconds * Self.nanoseconds))
                for (number, symbol) in feeds[place].symbols where own(number) {
                    feeds[place].source.append(
                        Bar(
                            from: open.nanoseconds, width: seconds * Self.nanoseconds,
                            symbol: symbol, series: index,
                            close: Price(raw: Int64(closes(number)) * Self.nanoseconds)))
                }
                try feeds[place].source.publish(watermark: Timestamp(nanoseconds: 0))
            }
        }
    }

    /// Returns `field` and the mark of the keys of all symbols.
    private func shown(
        _ valkey: ValkeyServer, _ kind: String, _ field: String, series: String = "",
        source: String = "test"
    ) throws -> [String] {
        let script = """
            local found = {}
            for i = 0, \(Self.symbols - 1) do
              local key = KEYS[1] .. ':SYM' .. i .. ARGV[1]
              local values = redis.call('HMGET', key, '\(field)', 'filled')
              found[i + 1] = tostring(values[1]) .. ' ' .. tostring(values[2])
            end
            return found
            """
        return try valkey.cli(
            "EVAL", script, "1", "\(bench.tape.names.namespace):\(kind)", "\(series):\(source)"
        ).split(separator: "\n").map(String.init)
    }

    private func all(_ value: (Int) -> Int, _ mark: String) -> [String] {
        (0..<Self.symbols).map { "\(value($0)) \(mark)" }
    }

    private func metric(_ running: RunningService, _ name: String) -> Double? {
        running.service.metric("mds_hot_state_\(name)")
    }

    private func isFilled(_ running: RunningService) -> Bool {
        eventually {
            metric(running, "fill_partitions") == 0
                && (metric(running, "fills_total{outcome=\"done\"}") ?? 0) > 0
        }
    }

    @Test("after a restart of both all values of before are there, marked; new ticks replace them")
    func bothRestarted() throws {
        var ticks = try feeds("test")
        var others = try feeds("other")
        var bars = try feeds("test", .bars)
        let first = try bench.start(valkey: ValkeyServer())
        try publishTicks(&ticks) { $0 + 10 }
        try publishTicks(&others) { $0 + 20 }
        try publishBars(&bars) { $0 + 30 }
        #expect(eventually { isStored() })
        #expect(try first.stop() == .success)

        let valkey = try ValkeyServer()
        let second = try bench.start(valkey: valkey)
        #expect(isFilled(second))
        try expectSoon(shown(valkey, "trade", "price"), all({ $0 + 10 }, "database"))
        try expectSoon(
            shown(valkey, "trade", "price", source: "other"), all({ $0 + 20 }, "database"))
        #expect(try eventually { try shown(valkey, "quote", "ask") == all({ $0 }, "database") })
        for series in [":1m", ":1h"] {
            try expectSoon(
                shown(valkey, "bar", "close", series: series), all({ $0 + 30 }, "database"))
        }
        try expectSoon(
            shown(valkey, "providerbar", "close", series: ":trades-5s"), all({ $0 }, "database"))
        try checkTimes(valkey)

        // New ticks replace them, and take the mark away.
        try publish(&ticks) { source, number, symbol in
            source.append(self.trade(symbol, number + 100, after: 60))
        }
        #expect(try eventually { try shown(valkey, "trade", "price") == all({ $0 + 100 }, "") })
        #expect(
            try shown(valkey, "trade", "price", source: "other") == all({ $0 + 20 }, "database"))
        // What was read from the database is known from then on.
        try valkey.cli("FLUSHALL")
        #expect(try eventually { try shown(valkey, "quote", "ask") == all({ $0 }, "database") })
        #expect(try eventually { try shown(valkey, "trade", "price") == all({ $0 + 100 }, "") })
        #expect(try second.stop() == .success)
    }

    @Test("in plain PostgreSQL, too")
    func plain() throws { try HotFillTests(timescale: false).bothRestarted() }

    private func isStored() -> Bool {
        do {
            return try bench.database.psql(
                """
                SELECT (SELECT count(*) FROM trades), (SELECT count(*) FROM quotes),
                    (SELECT count(*) FROM bars), (SELECT count(*) FROM provider_bars)
                """) == "3000|1000|1000|1000"
        } catch {
            return false
        }
    }

    /// The age of a value, and the rest of its key's life, are those of its receipt.
    private func checkTimes(_ valkey: ValkeyServer) throws {
        let key = "\(bench.tape.names.namespace):trade:SYM0:test"
        let fields = try valkey.cli("HMGET", key, "ts", "receive_ts", "stale_after")
        let received = header(0, after: 1).receiveTime.nanoseconds
        #expect(fields == "\(received)\n\(received)\n300000")
        // Received an hour ago, of 36 hours.
        let left = Int(try valkey.cli("PTTL", key)) ?? 0
        #expect((30 * 3_600_000..<35 * 3_600_000 + 1_000).contains(left))
    }

    @Test("what is in Valkey when the writer alone is restarted is not touched")
    func writerRestarted() throws {
        let valkey = try ValkeyServer()
        var ticks = try feeds("test")
        let first = try bench.start(valkey: valkey)
        // The first packet may come before the hot state listens.
        try publishTicks(&ticks) { $0 + 10 }
        #expect(try eventually { try shown(valkey, "trade", "price") == all({ $0 + 10 }, "") })
        try bench.database.expectSoon("SELECT count(*) FROM provider_bars", "500")
        #expect(try first.stop() == .success)
        let key = "\(bench.tape.names.namespace):trade:SYM0:test"
        let before = try valkey.cli("HGETALL", key)
        try valkey.cli("DEL", "\(bench.tape.names.namespace):trade:SYM1:test")
        let second = try bench.start(valkey: valkey)
        #expect(isFilled(second))
        #expect(try eventually { try shown(valkey, "trade", "price")[1] == "11 database" })
        #expect(try valkey.cli("HGETALL", key) == before)
        #expect(try second.stop() == .success)
    }

    @Test("a value that comes while values are read from the database counts")
    func meanwhile() throws {
        var bars = try feeds("test", .bars)
        var ticks = try feeds("test")
        let first = try bench.start(valkey: ValkeyServer())
        try publishTicks(&ticks) { $0 + 10 }
        try publishBars(&bars) { $0 + 30 }
        try bench.database.expectSoon("SELECT count(*) FROM bars", "1000")
        #expect(try first.stop() == .success)

        // Values of bars wait for this lock; those of trades do not.
        let database = bench.database
        let holder = try database.connect(database.migrator, searchPath: database.schema.searchPath)
        try holder.script(
            "SET idle_in_transaction_session_timeout = 0; BEGIN; LOCK TABLE bar_series")
        let valkey = try ValkeyServer()
        let second = try bench.start(valkey: valkey)
        // The first pass has the partitions that were owned when it began, which may be a few.
        #expect(
            try eventually {
                try shown(valkey, "trade", "price").contains { $0.hasSuffix(" database") }
            })
        #expect(metric(second, "fill_partitions") ?? 0 > 0)
        try publishBars(&bars, { $0 + 50 }, minute: 60) { $0 < 100 }
        #expect(
            try eventually {
                try shown(valkey, "bar", "close", series: ":1m")[0..<100].allSatisfy {
                    !$0.hasPrefix("false")
                }
            })
        try holder.script("COMMIT")
        #expect(isFilled(second))
        for series in [":1m", ":1h"] {
            let expected =
                all({ $0 + 50 }, "")[0..<100] + all({ $0 + 30 }, "database")[100...]
            try expectSoon(shown(valkey, "bar", "close", series: series), Array(expected))
        }
        #expect(try second.stop() == .success)
    }

    @Test("a database that gives nothing is tried again a few times, and that is reported")
    func givenUp() throws {
        let service = try TestService(
            Main.description,
            bench.environment(valkey: try Peers.valkey.get()).merging(
                ["POSTGRES_PASSWORD": "wrong"]
            ) { $1 })
        let settings = WriterSettings(service.context.configuration)
        let client = try bench.tape.connect(service)
        defer { client.close() }
        let store = PostgresStore(settings.storeContext(client, service.context))
        let life = try #require(settings.hotState?.life)
        let hot = HotOutput(queue: HotQueue(service.context.telemetry.metrics, life: life))
        hot.fills.add(0)
        let thread = try HotFiller.start(
            store, hot, life: life, retryFirst: .milliseconds(1))
        let outcome = "mds_hot_state_fills_total{outcome=\"given_up\"}"
        #expect(eventually { service.metric(outcome) == 1 })
        #expect(
            service.metric("mds_hot_state_fill_failures_total") == Double(HotFiller.attemptsMax))
        // The next order is a new pass.
        hot.fills.add(0)
        #expect(eventually { service.metric(outcome) == 2 })
        service.context.shutdown.request("test")
        #expect(thread.join(timeout: patience))
    }
}
