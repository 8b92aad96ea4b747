import EngineKit
import HistoryTestSupport
import MarketModel
import Primitives
import Testing

@testable import BinanceEngine

@Suite struct BinanceEngineTests {
    private static let second: Int64 = 1_000_000_000

    private func connected(
        _ symbols: [String] = ["BTCUSDT", "ETHUSDT"],
        _ change: (inout BinanceSettings) -> Void = { _ in }
    ) -> EngineBench {
        var bench = EngineBench(change)
        bench.follow(symbols)
        bench.connect()
        return bench
    }

    @Test("a connection is opened, the streams are asked for, and trades become records")
    func trades() throws {
        var bench = EngineBench()
        bench.follow(["BTCUSDT", "ETHUSDT"])
        #expect(bench.takeWishes() == [.open(1)])
        bench.opened(1)
        #expect(
            bench.wishes == [
                .send(
                    1,
                    "{\"method\":\"SUBSCRIBE\",\"params\":"
                        + "[\"btcusdt@trade\",\"ethusdt@trade\"],\"id\":1}")
            ])
        #expect(bench.subscriptions.isEmpty)
        bench.answerAll()
        #expect(bench.subscriptions.count == 2 && bench.gaps.isEmpty)
        #expect(bench.states == [.starting, .starting, .live, .live])
        bench.trade("ETHUSDT", 12_345, on: 1, at: 1_672_515_782_136)
        let trade = try #require(bench.trades.first)
        #expect(trade.header.symbol == 1 && trade.header.providerID == 12_345)
        #expect(trade.price.raw == 1_000_000 && trade.size.raw == 250_000_000)
        #expect(trade.header.providerTime.nanoseconds == 1_672_515_782_136_000_000)
        #expect(trade.header.resolution == TimeResolution.millisecond.rawValue)
    }

    @Test("times may be in microseconds, and streams plain")
    func microseconds() throws {
        var bench = connected()
        bench.receive(
            "{\"e\":\"trade\",\"s\":\"BTCUSDT\",\"t\":9,\"p\":\"1\",\"q\":\"1\","
                + "\"T\":1672515782136123}", on: 1)
        let header = try #require(bench.trades.first?.header)
        #expect(header.providerTime.nanoseconds == 1_672_515_782_136_123_000)
        #expect(header.resolution == TimeResolution.microsecond.rawValue)
    }

    @Test("an exchange that counts from anew is followed after a while, with a gap")
    func restart() {
        var bench = connected()
        bench.trade("BTCUSDT", 1_000_000, on: 1)
        bench.pass(Self.second)
        // Every other one is lost, so only their number tells.
        for id in 1...UInt64(DenseLimits.lowerMax) { bench.trade("BTCUSDT", 2 * id, on: 1) }
        let first = UInt64(2 * DenseLimits.lowerMax)
        for id in [first + 1, first + 2] { bench.trade("BTCUSDT", id, on: 1) }
        #expect(bench.ids == [1_000_000, first, first + 1, first + 2])
        // What is left out is missing from the first such trade on.
        let states = bench.gaps.map { GapState(rawValue: $0.state) }
        #expect(states == [.open, .open, .abandoned])
        #expect(bench.gaps.map(\.to.isDefined) == [false, true, true])
    }

    @Test("the first trade of a symbol has the id 0, and is in a gap")
    func first() throws {
        var bench = connected()
        bench.trade("BTCUSDT", 0, on: 1)
        bench.trade("BTCUSDT", 1, on: 1)
        let gap = try #require(bench.gaps.first)
        #expect(bench.ids == [1] && bench.gaps.count == 1 && gap.detail.contains("id 0"))
        #expect(gap.reason == GapReason.scale.rawValue)
    }

    @Test("a trade that comes before the answer begins the subscription")
    func early() {
        var bench = EngineBench()
        bench.follow(["BTCUSDT"])
        _ = bench.takeWishes()
        bench.opened(1)
        bench.trade("BTCUSDT", 7, on: 1)
        #expect(bench.subscriptions.count == 1 && bench.ids == [7])
        if case .tape(.trade) = bench.records.last {} else { Issue.record("it is not the last") }
        bench.answerAll()
        #expect(bench.subscriptions.count == 1 && bench.gaps.isEmpty)
    }

    @Test("a number that does not fit is in a gap with its text, and its id is not missing")
    func misfit() throws {
        var bench = connected()
        bench.trade("BTCUSDT", 10, on: 1)
        bench.trade("BTCUSDT", 11, on: 1, size: "123456789012345")
        bench.trade("BTCUSDT", 12, on: 1, size: "0.123456789")
        bench.trade("BTCUSDT", 13, on: 1)
        #expect(bench.ids == [10, 13] && bench.gaps.count == 2)
        #expect(bench.engine.counters.misfits == 2 && bench.engine.counters.ids.missing == 0)
        let gap = try #require(bench.gaps.first)
        #expect(gap.detail.contains("11") && gap.detail.contains("size 123456789012345"))
    }

    @Test("a cut is a gap from the last trade on, and the next id says whether it lost anything")
    func cut() throws {
        var bench = connected()
        bench.trade("BTCUSDT", 10, on: 1)
        bench.trade("ETHUSDT", 5, on: 1)
        bench.pass(Self.second)
        bench.ended(1)
        #expect(bench.gaps.count == 2)
        #expect(bench.gaps.allSatisfy { !$0.to.isDefined && $0.from == EngineBench.origin })
        #expect(bench.engine.status.state == .closed)
        bench.pass(2 * Self.second)
        bench.connect()
        bench.trade("BTCUSDT", 11, on: 2)
        bench.trade("ETHUSDT", 8, on: 2)
        // Each has its end on record before what became of it.
        let (filled, lost) = (bench.gaps[3], bench.gaps[5])
        #expect(filled.state == GapState.filled.rawValue && filled.from == bench.gaps[0].from)
        #expect(lost.state == GapState.abandoned.rawValue)
        #expect(lost.detail == "trade ids 6 to 7 did not come")
        #expect(lost.reason == GapReason.disconnected.rawValue)
        #expect(bench.ids == [10, 5, 11, 8])
        #expect(bench.engine.status.feeds.allSatisfy { !$0.hasOpenGap })
    }

    @Test("attempts never end, and the waits between them grow up to the longest")
    func attempts() {
        var bench = EngineBench { $0.stream.reconnectMax = 8 * Self.second }
        bench.follow(["BTCUSDT"])
        var waits: [Int64] = []
        for attempt in 1...20 as ClosedRange<UInt32> {
            #expect(bench.takeWishes() == [.open(attempt)])
            let before = bench.time
            bench.ended(attempt)
            let due = bench.engine.nextDue - bench.now.monotonic
            bench.pass(due - 1)
            #expect(bench.wishes.isEmpty)
            bench.pass(1)
            waits.append(bench.time - before)
        }
        #expect(waits[0] <= Self.second && waits.suffix(10).allSatisfy { $0 >= 4 * Self.second })
        #expect(waits.allSatisfy { $0 <= 8 * Self.second })
    }

    @Test("a silent connection is asked, and given up when it does not answer")
    func silence() {
        var bench = connected()
        _ = bench.takeWishes()
        bench.pass(15 * Self.second)
        #expect(bench.wishes.count == 1)
        bench.answerAll()
        bench.pass(14 * Self.second)
        #expect(bench.wishes.isEmpty && bench.engine.status.state == .ready)
        bench.pass(2 * Self.second)
        #expect(bench.takeWishes().count == 1)
        bench.pass(20 * Self.second)
        #expect(bench.takeWishes().contains(.close(1)))
        #expect(bench.gaps.count == 2)
    }

    @Test("a second connection takes over before the first is too old, without a gap")
    func renewal() {
        var bench = connected(["BTCUSDT"]) { $0.merge.renewAfter = 3_600 * Self.second }
        bench.trade("BTCUSDT", 1, on: 1)
        for _ in 0..<361 {
            bench.pass(10 * Self.second)
            for case .send(1, _) in bench.wishes { bench.answerAll() }
            bench.receive("{\"result\":[],\"id\":0}", on: 1)
        }
        #expect(bench.wishes.contains(.open(2, link: 1)))
        bench.connect()
        bench.trade("BTCUSDT", 2, on: 1)
        bench.trade("BTCUSDT", 2, on: 2)
        // The second is ahead of the first here.
        for id in 3...6 as ClosedRange<UInt64> { bench.trade("BTCUSDT", id, on: 2) }
        bench.trade("BTCUSDT", 3, on: 1)
        #expect(bench.ids == [1, 2, 3, 4, 5, 6])
        bench.pass(3 * Self.second)
        #expect(bench.takeWishes().contains(.close(1)))
        bench.trade("BTCUSDT", 7, on: 2)
        #expect(bench.ids == [1, 2, 3, 4, 5, 6, 7] && bench.gaps.isEmpty)
        #expect(bench.engine.counters.ids.doubles == 2 && bench.engine.counters.ids.lower == 0)
    }

    @Test("a successor that fails has another one, long before its predecessor is old")
    func secondSuccessor() {
        var bench = connected(["BTCUSDT"])
        _ = bench.takeWishes()
        bench.receive("{\"e\":\"serverShutdown\",\"E\":1}", on: 1)
        #expect(bench.takeWishes() == [.open(2, link: 1)])
        bench.ended(2)
        bench.pass(2 * Self.second)
        #expect(bench.takeWishes() == [.open(3, link: 1)] && bench.gaps.isEmpty)
        #expect(bench.engine.status.state == .renewing)
    }

    @Test("block trades and what else is no trade of the book are counted and left out")
    func others() {
        var bench = connected(["BTCUSDT"])
        bench.receive("{\"e\":\"blockTrade\",\"s\":\"BTCUSDT\",\"t\":1,\"p\":\"1\"}", on: 1)
        bench.receive("{\"e\":\"24hrTicker\"}", on: 1)
        bench.receive("{\"e\":\"trade\",\"s\":\"BTCUSDT\",\"t\":\"1\"}", on: 1)
        bench.receive("{\"e\":", on: 1)
        bench.receive("x", on: 1, isText: false)
        bench.trade("XRPUSDT", 1, on: 1)
        #expect(bench.records.count { $0.kind == .trade } == 0)
        let reasons: [StreamSkip] = [.malformed, .fields, .stray, .block, .unknown, .binary]
        for reason in reasons {
            #expect(bench.engine.counters.skipped(reason) == 1, "\(reason)")
        }
    }

    @Test("what cannot be delivered is refused with the reason")
    func refused() {
        var bench = EngineBench { $0.merge.streamsMax = 1 }
        let items = [
            EngineBench.coin("BTCUSDT"), EngineBench.coin("A", .bars),
            EngineBench.coin("B", name: "X\"Y"), EngineBench.coin("ETHUSDT"),
            EngineBench.coin("OTHER", name: "BTCUSDT"),
            EngineBench.instrument("AAPL"),
        ]
        let begun = items.enumerated().map {
            (UInt32($0.offset), $0.element)
        }
        bench.follow(begun)
        bench.pass(0)
        #expect(bench.states.first == .starting && bench.states.count == 6)
        #expect(bench.engine.status.feeds.count { $0.state == .refused } == 5)
    }

    @Test("a stream that the exchange refuses is left out, and asked for by the next connection")
    func refusal() throws {
        var bench = EngineBench()
        bench.follow(["BTCUSDT", "ETHUSDT", "XRPUSDT", "BNBUSDT", "ADAUSDT"])
        bench.opened(1)
        for _ in 0..<8 {
            bench.answer { $0.contains("xrpusdt") }
            bench.pass(Self.second)
        }
        let feeds = bench.engine.status.feeds
        #expect(feeds.map(\.state) == [.live, .live, .refused, .live, .live])
        #expect(feeds[2].reason.hasPrefix("the exchange refuses its stream: Invalid request: "))
        #expect(bench.engine.status.state == .ready && bench.gaps.isEmpty)
        // The next connection has its turn although one stream stays refused.
        bench.receive("{\"e\":\"serverShutdown\"}", on: 1)
        bench.opened(2)
        for _ in 0..<8 {
            bench.answer { $0.contains("xrpusdt") }
            bench.pass(Self.second)
        }
        #expect(bench.engine.counters.links.renewals == 1 && bench.gaps.isEmpty)
        bench.ended(2)
        bench.pass(60 * Self.second)
        bench.connect()
        #expect(bench.engine.status.feeds.allSatisfy { $0.state == .live && $0.reason.isEmpty })
    }

    @Test("a stream that was refused is asked for again when the list changes")
    func refusedInNextList() {
        var bench = EngineBench()
        bench.follow(["BTCUSDT"])
        bench.opened(1)
        bench.answer { _ in true }
        #expect(bench.engine.status.feeds.map(\.state) == [.refused])
        bench.follow([(0, EngineBench.coin("BTCUSDT"))], ended: [0])
        bench.pass(Self.second)
        bench.answerAll()
        #expect(bench.engine.status.feeds.map(\.state) == [.live])
    }

    @Test("what ends is told before what begins: a connection has only so many streams")
    func order() {
        var bench = connected(["BTCUSDT"])
        bench.follow([(1, EngineBench.coin("ETHUSDT"))], ended: [0])
        var methods: [String] = []
        for _ in 0..<3 {
            bench.pass(Self.second)
            for case .send(_, let text) in bench.wishes {
                methods += text.split(separator: "\"").dropFirst(3).prefix(1).map(String.init)
            }
            bench.answerAll()
        }
        #expect(methods == ["UNSUBSCRIBE", "SUBSCRIBE"])
    }

    @Test("a list that changes while two connections deliver does not keep the second waiting")
    func listInOverlap() {
        var bench = connected(["BTCUSDT", "ETHUSDT"])
        bench.receive("{\"e\":\"serverShutdown\"}", on: 1)
        bench.connect()
        bench.follow([], ended: [1])
        for _ in 0..<8 {
            bench.pass(Self.second)
            bench.answerAll()
        }
        #expect(bench.engine.counters.links.renewals == 1)
    }

    @Test("the list changes: streams end and begin, and a symbol that stays goes on")
    func list() {
        var bench = connected(["BTCUSDT", "ETHUSDT"])
        bench.trade("BTCUSDT", 1, on: 1)
        bench.follow(
            [(2, EngineBench.coin("XRPUSDT")), (0, EngineBench.coin("BTCUSDT"))], ended: [0, 1])
        bench.collect()
        for _ in 0..<4 {
            bench.pass(Self.second)
            bench.answerAll()
        }
        bench.trade("BTCUSDT", 2, on: 1)
        bench.trade("ETHUSDT", 2, on: 1)
        bench.trade("XRPUSDT", 7, on: 1)
        #expect(bench.ids == [1, 2, 7] && bench.gaps.isEmpty)
        #expect(bench.engine.counters.skipped(.stray) == 1)
        #expect(bench.subscriptions.count == 4)
    }

    @Test("what an earlier process left is a gap until the subscription is confirmed")
    func reached() throws {
        var bench = EngineBench()
        let before = EngineBench.origin.advanced(byNanoseconds: -60 * Self.second)
        bench.follow(["BTCUSDT"], reached: before)
        bench.connect()
        // What the connection may have lost without showing it is missing, too.
        let from = before.advanced(byNanoseconds: -38 * Self.second)
        #expect(bench.gaps.map(\.from) == [from, from, from])
        #expect(bench.gaps.map(\.to) == [.undefined, bench.now.wall, bench.now.wall])
        let states = bench.gaps.map { GapState(rawValue: $0.state) }
        #expect(states == [.open, .open, .abandoned])
        #expect(bench.gaps.allSatisfy { $0.reason == GapReason.gatewayLost.rawValue })
    }

    @Test("what is missing from before is on record without any connection")
    func reachedWithoutConnection() {
        var bench = EngineBench()
        bench.follow(["BTCUSDT"], reached: EngineBench.origin)
        #expect(bench.gaps.count == 1 && bench.gaps.first?.to.isDefined == false)
        // Another list before the first subscription changes nothing about it.
        bench.follow([(0, EngineBench.coin("BTCUSDT"))], ended: [0])
        bench.collect()
        #expect(bench.gaps.count == 1)
        bench.connect()
        let states = bench.gaps.map { GapState(rawValue: $0.state) }
        #expect(states == [.open, .open, .abandoned])
    }

    @Test("after a wait the floor stays before what may still be on its way")
    func floorAfterWait() {
        var bench = connected(["BTCUSDT"])
        bench.drain()
        bench.time += 20 * Self.second
        let old = bench.now.wall.advanced(byNanoseconds: -10 * Self.second)
        bench.trade("BTCUSDT", 1, on: 1, at: old.nanoseconds / 1_000_000)
        bench.drain()
        bench.time += 50_000_000
        bench.drain()
        #expect(bench.out.floor <= old.advanced(byNanoseconds: 50_000_000 - 2 * Self.second))
    }

    @Test("at the end there is a gap without an end, then the end of the subscription")
    func stop() throws {
        var bench = connected(["BTCUSDT"])
        bench.trade("BTCUSDT", 1, on: 1)
        bench.stop()
        #expect(bench.gaps.count == 1 && bench.gaps.first?.to.isDefined == false)
        #expect(bench.subscriptions.last?.action == SubscriptionAction.stop.rawValue)
        #expect(bench.wishes.contains(.close(1)))
        bench.pass(Self.second)
        #expect(bench.engine.nextDue == .never)
    }

    @Test("the floor follows the slower of both clocks, and never goes back")
    func floor() {
        var bench = connected(["BTCUSDT"])
        // Nothing is known of the exchange's clock: it may be 5 s behind ours.
        bench.drain()
        let first = bench.now.wall.advanced(byNanoseconds: -7 * Self.second)
        #expect(bench.out.floor == first)
        // It is 8 s behind ours.
        bench.trade(
            "BTCUSDT", 1, on: 1, at: (bench.now.wall.nanoseconds - 8 * Self.second) / 1_000_000)
        bench.drain()
        #expect(bench.out.floor == first)
        bench.pass(10 * Self.second)
        bench.drain()
        #expect(bench.out.floor == bench.now.wall.advanced(byNanoseconds: -10 * Self.second))
        #expect(bench.engine.takeClockAhead() == nil && bench.engine.counters.late == 1)
    }

    @Test("the floor stays before the last message, and before what the next connection holds")
    func floorOfWaiting() {
        var bench = connected(["BTCUSDT"])
        let begun = bench.now.wall
        bench.receive("{\"e\":\"serverShutdown\"}", on: 1)
        bench.connect()
        bench.pass(Self.second)
        bench.trade("BTCUSDT", 1, on: 1, at: begun.nanoseconds / 1_000_000)
        bench.trade("BTCUSDT", 3, on: 2)
        let held = bench.now.wall
        let least = -2 * Self.second
        bench.drain()
        #expect(bench.out.floor == begun.advanced(byNanoseconds: least))
        bench.time += 30 * Self.second
        bench.drain()
        #expect(bench.out.floor == held.advanced(byNanoseconds: least))
        bench.pass(0)
        bench.drain()
        #expect(bench.ids == [1, 3] && bench.engine.counters.late == 0)
        #expect(bench.out.floor == bench.now.wall.advanced(byNanoseconds: least))
    }
}
