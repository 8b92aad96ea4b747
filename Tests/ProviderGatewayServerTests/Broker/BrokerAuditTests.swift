import MarketModel
import Primitives
import TestSupport
import Testing

@testable import ProviderGatewayTests

/// The audit itself finds the mistakes that it exists for.
@Suite("The audit of the broker's values")
struct BrokerAuditTests {
    private static let start: Int64 = 1_767_623_400
    private static let feeds: [String: Instrument.Feeds] = ["SPY": [.allTrades, .quotes]]

    private static func sent(_ second: Int64, _ price: String, contract: Int32 = 1) -> SentValue {
        SentValue(
            kind: "tickByTick", request: 5,
            fields: ["2", "\(start + second)", price, "100", "0", "ARCA", "T"],
            time: (start + second) * 1_000_000_000 + 500_000_000, connection: 1,
            contract: contract)
    }

    private static func trade(
        _ second: Int64, _ price: String, flags: TickFlags = []
    ) throws -> Trade {
        let time = Timestamp(nanoseconds: (start + second) * 1_000_000_000)
        return Trade(
            header: TickHeader(
                symbol: 0, flags: flags, providerTime: time,
                receiveTime: time.advanced(byNanoseconds: 501_000_000)),
            price: try Price(price), size: try Quantity("100"),
            exchange: try #require(ShortText("ARCA")), conditions: try #require(ShortText("T")))
    }

    private static func gap(_ from: Int64, _ to: Int64, _ state: GapState) -> GapRecord {
        GapRecord(
            header: TickHeader(symbol: 0, providerTime: .undefined, receiveTime: .undefined),
            from: Timestamp(nanoseconds: (start + from) * 1_000_000_000),
            to: Timestamp(nanoseconds: (start + to) * 1_000_000_000), kind: .trade,
            reason: .disconnected, state: state)
    }

    private func truth(_ values: [SentValue]) -> BrokerTruth {
        var truth = BrokerTruth(names: [1: "SPY"])
        truth.read(values, run: 0)
        return truth
    }

    /// Returns the problems with one trade in each of ten seconds. Those of `missing` are sent but
    /// not on the tape.
    private func problems(
        missing: Set<Int64> = [], gaps: [GapRecord] = [], change: (inout BrokerTape) throws -> Void
    ) throws -> [String] {
        let values = (0..<10).map { Self.sent($0, "10\($0).25") }
        var tape = BrokerTape()
        for second in 0..<Int64(10) where !missing.contains(second) {
            tape.add(try Self.trade(second, "10\(second).25"), "SPY")
        }
        for record in gaps { tape.add(record, "SPY") }
        try change(&tape)
        var audit = BrokerValueAudit(feeds: Self.feeds, truth: truth(values), tape: tape)
        audit.run()
        return audit.problems
    }

    @Test("all that was sent is there: nothing to say")
    func clean() throws {
        #expect(try problems { _ in }.isEmpty)
    }

    @Test("a value that is lost is told, unless it lies in a gap")
    func lost() throws {
        let told = try problems(missing: [4]) { _ in }
        #expect(told.count == 1)
        #expect(told.first?.contains("lost, in no gap: trade 1767623404000000000") == true)
        #expect(try problems(missing: [4], gaps: [Self.gap(4, 6, .open)]) { _ in }.isEmpty)
        // A gap of another time, then one of another kind.
        #expect(try problems(missing: [4], gaps: [Self.gap(7, 8, .open)]) { _ in }.count == 1)
        var other = Self.gap(4, 6, .open)
        other.kind = DataKind.quote.rawValue
        #expect(try problems(missing: [4], gaps: [other]) { _ in }.count == 1)
    }

    @Test("a value that is there twice is told, in a gap, too")
    func doubled() throws {
        for gaps in [[], [Self.gap(9, 12, .open)]] {
            let told = try problems(gaps: gaps) { $0.add(try Self.trade(9, "109.25"), "SPY") }
            #expect(told.count == 1)
            #expect(told.first?.contains("once more") == true)
        }
    }

    @Test("a value with another price, size or time is two problems: one lost, one invented")
    func changed() throws {
        let told = try problems(missing: [9]) { $0.add(try Self.trade(9, "109.26"), "SPY") }
        #expect(
            told.contains { $0.contains("lost") } && told.contains { $0.contains("never sent") })
        let late = try problems(missing: [9]) { $0.add(try Self.trade(10, "109.25"), "SPY") }
        #expect(late.count == 2)
    }

    @Test("a value that nobody sent is told, also of an instrument that was never sent")
    func invented() throws {
        let told = try problems { $0.add(try Self.trade(11, "50"), "SPY") }
        #expect(told.count == 1 && told[0].contains("never sent"))
        #expect(try problems { $0.add(try Self.trade(3, "103.25"), "QQQ") }.count == 1)
    }

    @Test("two values that have changed places are told")
    func order() throws {
        let told = try problems(missing: [8, 9]) {
            $0.add(try Self.trade(9, "109.25"), "SPY")
            $0.add(try Self.trade(8, "108.25"), "SPY")
        }
        #expect(told.count == 2)
    }

    @Test("a gap that a dead gateway left open ends with the next subscription")
    func openGap() throws {
        var open = Self.gap(3, 4, .open)
        open.to = .undefined
        #expect(try problems(missing: [4, 7], gaps: [open]) { _ in }.isEmpty)
        let told = try problems(missing: [4, 7], gaps: [open]) {
            $0.add(
                BrokerTape.Subscription(
                    symbol: "SPY", kind: DataKind.trade.rawValue,
                    action: SubscriptionAction.start.rawValue,
                    time: Timestamp(nanoseconds: (Self.start + 6) * 1_000_000_000)))
        }
        #expect(told.count == 1 && told[0].contains("107250000000"))
    }

    // MARK: filled gaps

    private func filled(
        _ gaps: [GapRecord], happened: [Int64: Int], _ fetched: [Int64], live: [Int64] = []
    ) throws -> [String] {
        var market = BrokerMarket()
        for (second, count) in happened {
            let print = HistoryPrint(
                symbol: "SPY", second: Self.start + second, price: try Price("101").raw,
                size: try Quantity("100").raw)
            market.prints[print] = count
        }
        var tape = BrokerTape()
        for record in gaps { tape.add(record, "SPY") }
        for second in live { tape.add(try Self.trade(second, "101"), "SPY") }
        for second in fetched {
            tape.add(try Self.trade(second, "101", flags: .backfilled), "SPY")
        }
        var audit = BrokerMarketAudit(
            feeds: Self.feeds, market: market, truth: truth(live.map { Self.sent($0, "101") }),
            tape: tape, seconds: Self.start..<Self.start + 60)
        audit.run()
        return audit.problems
    }

    @Test("what was filled in has happened, in a gap, and once; and what is called filled is whole")
    func fetched() throws {
        let gaps = [Self.gap(10, 20, .open), Self.gap(10, 20, .filled)]
        #expect(try filled(gaps, happened: [12: 1, 15: 2], [12, 15, 15]).isEmpty)
        let short = try filled(gaps, happened: [12: 1, 15: 2], [12, 15])
        #expect(short.count == 1 && short[0].contains("filled, and"))
        let invented = try filled(gaps, happened: [12: 1], [12, 13])
        #expect(invented.contains { $0.contains("never happened") })
        let twice = try filled(gaps, happened: [12: 1], [12], live: [12])
        #expect(twice.count == 1 && twice[0].contains("1 times live and 1 times filled in"))
        var tape = BrokerTape()
        tape.add(try Self.trade(12, "101", flags: [.snapshot, .conflated]), "SPY")
        #expect(tape.states.count == 1 && tape.prints.values.map(\.live) == [1])
        let outside = try filled(gaps, happened: [40: 1], [40])
        #expect(outside.count == 1 && outside[0].contains("outside"))
        #expect(try !filled([], happened: [12: 1], [12]).isEmpty)
    }
}
