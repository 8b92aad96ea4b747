import HotState
import MarketModel
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TestSupport
import Testing

@testable import StoreWriter

/// Values that are hard to find among many others of their symbol, or say more than a number.
@Suite("The hot state from the database, by kind")
struct HotFillKindsTests {
    private static let second: Int64 = 1_000_000_000

    private let bench: WriterBench
    /// The beginning of an hour, some hours ago.
    private let hour = SystemClock().now().floored(toNanoseconds: 3_600 * second)
        .advanced(byNanoseconds: -4 * 3_600 * second)

    init() throws { bench = try WriterBench("writer_kinds\(UInt32.random(in: 0...99_999))") }

    private func time(_ seconds: Int64) -> Timestamp {
        hour.advanced(byNanoseconds: seconds * Self.second)
    }

    private func source(_ name: String, _ symbol: Symbol) throws -> (TestSource, UInt32) {
        var source = TestSource(
            bench.tape, Partition(of: symbol, count: bench.tape.names.partitions),
            source: try #require(SourceName(name)))
        let index = source.define(symbol)
        return (source, index)
    }

    private func header(
        _ symbol: UInt32, _ seconds: Int64, _ flags: TickFlags = []
    ) -> TickHeader {
        TickHeader(
            symbol: symbol, flags: flags, providerTime: time(seconds), receiveTime: time(seconds))
    }

    private func bar(
        _ symbol: UInt32, from start: Int64, seconds: Int64, close: Int64, _ flags: TickFlags = []
    ) -> ProviderBar {
        var bar = ProviderBar(
            header: header(symbol, start + seconds, flags), openTime: time(start),
            closeTime: time(start + seconds), kind: .trades)
        bar.close = Price(raw: close * Self.second)
        return bar
    }

    private func isFilled(_ running: RunningService) -> Bool {
        eventually {
            (running.service.metric("mds_hot_state_fills_total{outcome=\"done\"}") ?? 0) > 0
        }
    }

    private func fields(_ valkey: ValkeyServer, _ key: String, _ names: String...) throws -> String
    {
        try valkey.cli(["HMGET", "\(bench.tape.names.namespace):\(key)"] + names)
            .replacing("\n", with: " ")
    }

    @Test("long bars of a provider are found among many short ones, and no symbol needs a tick")
    func longBars() throws {
        let symbol = try #require(Symbol("LONG"))
        var (source, index) = try self.source("test", symbol)
        let first = try bench.start(valkey: ValkeyServer())
        // A day and an hour that end at the hour, and a quarter before; then short ones for an
        // hour.
        for (seconds, close) in [(86_400, 1), (3_600, 2), (900, 3)] as [(Int64, Int64)] {
            source.append {
                $0.append(self.bar(index, from: -seconds, seconds: seconds, close: close)) == true
            }
        }
        for number in 0..<Int64(720) {
            source.append {
                $0.append(self.bar(index, from: number * 5, seconds: 5, close: number)) == true
            }
            if number % 60 == 59 { try source.publish(watermark: time(0)) }
        }
        try bench.database.expectSoon("SELECT count(*) FROM provider_bars", "723")
        #expect(try first.stop() == .success)

        let valkey = try ValkeyServer()
        let second = try bench.start(valkey: valkey)
        #expect(isFilled(second))
        for (series, close) in [("5s", 719), ("15m", 3), ("1h", 2), ("1d", 1)] {
            try expectSoon(
                fields(valkey, "providerbar:LONG:trades-\(series):test", "close", "filled"),
                "\(close) database", "\(series)")
        }
        #expect(try second.stop() == .success)
    }

    @Test(
        "a value of a delayed source, or with the flag, is delayed when it comes from the database")
    func delayed() throws {
        let symbol = try #require(Symbol("LATE"))
        let first = try bench.start(valkey: ValkeyServer())
        for (name, flags) in [("live", []), ("flagged", .delayed), ("x-delayed", [])]
            as [(String, TickFlags)]
        {
            var (source, index) = try self.source(name, symbol)
            source.append(
                Trade(
                    header: header(index, 1, flags), price: Price(raw: Self.second),
                    size: Quantity(raw: 1)))
            source.append(
                Quote(
                    header: header(index, 2, flags), bidPrice: .undefined, bidSize: .undefined,
                    askPrice: Price(raw: 2 * Self.second), askSize: Quantity(raw: 1)))
            source.append {
                $0.append(self.bar(index, from: 0, seconds: 5, close: 3, flags)) == true
            }
            try source.publish(watermark: time(0))
        }
        try bench.database.expectSoon("SELECT count(*) FROM provider_bars", "3")
        #expect(try first.stop() == .success)

        let valkey = try ValkeyServer()
        let second = try bench.start(valkey: valkey)
        #expect(isFilled(second))
        for (name, isDelayed) in [("live", 0), ("flagged", 1), ("x-delayed", 1)] {
            for (key, field, value) in [
                ("trade:LATE", "price", 1), ("quote:LATE", "ask", 2),
                ("providerbar:LATE:trades-5s", "close", 3),
            ] {
                try expectSoon(
                    fields(valkey, "\(key):\(name)", field, "delayed", "filled"),
                    "\(value) \(isDelayed) database", "\(key) of \(name)")
            }
        }
        #expect(try second.stop() == .success)
    }

    // MARK: books

    private struct BookFeed {
        var source: TestSource
        let symbols: [UInt32]
        /// The key of the second symbol's book.
        let quiet: String
    }

    /// A source with two symbols in one partition.
    private func bookFeed() throws -> BookFeed {
        let count = bench.tape.names.partitions
        let first = try #require(Symbol("BUSY"))
        let other = try #require(
            (0..<100).lazy.compactMap { Symbol("QUIET\($0)") }.first {
                Partition(of: $0, count: count) == Partition(of: first, count: count)
            })
        var (source, index) = try self.source("test", first)
        let second = source.define(other)
        return BookFeed(source: source, symbols: [index, second], quiet: "book:\(other.text):test")
    }

    private func begin(_ feed: inout BookFeed, _ symbol: Int, price: Int64) throws {
        let header = header(feed.symbols[symbol], 10)
        feed.source.append {
            $0.append(DepthReset(header: header, reason: .reset)) == true
        }
        for side in [BookSide.bid, .ask] {
            try row(&feed, symbol, side, .insert, side == .bid ? price : price + 1)
        }
    }

    private func row(
        _ feed: inout BookFeed, _ symbol: Int, _ side: BookSide, _ operation: DepthOperation,
        _ price: Int64
    ) throws {
        let update = DepthUpdate(
            header: header(feed.symbols[symbol], 10), position: 0, side: side,
            operation: operation, price: Price(raw: price * Self.second),
            size: Quantity(raw: 100_000_000))
        feed.source.append { $0.append(update) == true }
        try feed.source.publish(watermark: time(0))
    }

    @Test("books over restarts: what is shown is right, and what is not known is said")
    func books() throws {
        var feed = try bookFeed()
        let valkey = try ValkeyServer()
        let quiet = feed.quiet
        let first = try bench.start(valkey: valkey)
        // The first packets may come before the hot state listens.
        #expect(
            try eventually {
                try begin(&feed, 0, price: 100)
                return try fields(valkey, "book:BUSY:test", "state") == "complete"
            })
        try begin(&feed, 1, price: 50)
        try expectSoon(
            fields(valkey, quiet, "state", "bids", "asks"),
            "complete [[\"50\",\"1\"]] [[\"51\",\"1\"]]")
        try row(&feed, 0, .bid, .update, 99)
        try expectSoon(
            fields(valkey, "book:BUSY:test", "state", "bids"), "complete [[\"99\",\"1\"]]")
        #expect(try first.stop() == .success)
        let before = try valkey.cli("HGETALL", "\(bench.tape.names.namespace):\(quiet)")

        // While no writer runs, one book changes.
        try row(&feed, 0, .ask, .update, 105)
        let second = try bench.start(valkey: valkey)
        #expect(isFilled(second))
        try expectSoon(
            fields(valkey, "book:BUSY:test", "state", "reason", "bids", "asks"),
            "partial start [] [[\"105\",\"1\"]]")
        #expect(try valkey.cli("HGETALL", "\(bench.tape.names.namespace):\(quiet)") == before)
        try begin(&feed, 0, price: 70)
        try expectSoon(
            fields(valkey, "book:BUSY:test", "state", "bids"), "complete [[\"70\",\"1\"]]")
        #expect(try second.stop() == .success)
        try afterLoss(&feed, quiet)
    }

    /// Valkey has lost all: the rows are not known, and the keys say so.
    private func afterLoss(_ feed: inout BookFeed, _ quiet: String) throws {
        let empty = try ValkeyServer()
        let third = try bench.start(valkey: empty)
        #expect(isFilled(third))
        try expectSoon(
            fields(empty, quiet, "state", "reason", "bids", "filled"), "unknown start [] database")
        try begin(&feed, 1, price: 40)
        try expectSoon(
            fields(empty, quiet, "state", "filled", "bids"), "complete  [[\"40\",\"1\"]]")
        #expect(try third.stop() == .success)
    }
}
