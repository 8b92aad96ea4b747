import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import ServiceTestSupport
import TapeProtocol
import TapeTransport
import TestSupport
import TapeCodec
import Testing

@testable import ProviderGateway
@testable import ProviderGatewayTests

@Suite("What providers report beside their ticks")
struct DeliveredReportTests {
    private func delivered(from channels: [ProviderChannel]) -> DeliveredTicks {
        let providers: [(any ProviderSource, ProviderChannel)] = channels.map {
            (ScriptedProvider("one", ScriptedProvider.Log()), $0)
        }
        return DeliveredTicks(providers, registry: InstrumentRegistry())
    }

    private static let endless = ProviderChannel.endlessFloor.nanoseconds

    @Test(
        "a source has ended when all providers have, and no endless floor lets its watermark rise",
        arguments: [
            ([7, 9], true), ([7, nil], true), ([nil, nil], true), ([7, endless], false),
            ([endless, 7], false), ([nil, endless], false), ([endless, endless], false),
        ] as [([Int64?], Bool)])
    func ended(floors: [Int64?], hasEnded: Bool) {
        let channels = floors.map { _ in ProviderChannel() }
        for (channel, floor) in zip(channels, floors) {
            var nothing: [ProviderRecord] = []
            _ = channel.send(
                &nothing, floor: floor.map { Timestamp(nanoseconds: $0) } ?? .undefined)
            channel.finish()
        }
        var ticks = delivered(from: channels)
        let isDue = ticks.peek() != nil
        #expect(!isDue)
        let after = ticks.hasEnded
        #expect(after == hasEnded)
    }

    @Test("the report about a clock comes with its provider, each once")
    func clocks() {
        let channels = [ProviderChannel(), ProviderChannel()]
        let ticks = delivered(from: channels)
        channels[1].report(clockAhead: 5)
        channels[0].report(clockAhead: 7)
        let reports = [
            ticks.inlets.takeClockAhead(), ticks.inlets.takeClockAhead(),
            ticks.inlets.takeClockAhead(),
        ]
        #expect(reports.map { $0?.provider } == [0, 1, nil])
        #expect(reports.map { $0?.ahead } == [7, 5, nil])
    }
}

@Suite("Ticks that providers deliver")
struct DeliveredTests {
    private func script(_ namespace: String) throws -> FeedScript {
        FeedScript(
            tape: try TestTape(NatsServer.shared(), namespace: namespace),
            resolution: TimeResolution.unknown.rawValue)
    }

    /// The highest watermark of the source's packets with records.
    private func watermark(_ script: FeedScript) throws -> Timestamp? {
        try script.records().map(\.packet.watermark).max()
    }

    private func source() throws -> SourceName { try #require(SourceName("feed")) }

    @Test("every kind of record goes onto the tape once, in order, under its symbol")
    func kinds() throws {
        let script = try script("del1")
        let first = try script.open(["AAPL", "SPY"])
        let order = first.began.order
        #expect(order.instruments == [0, 1] && order.source.text == "feed")
        #expect(order.reached.allSatisfy { !$0.isDefined })
        let bar = ProviderBar(
            header: script.header(1, 30), openTime: script.at(0), closeTime: script.at(30),
            kind: .trades)
        let bulletin = NewsBulletin(
            header: script.header(TickHeader.noSymbol, 26), kind: .regular, text: "all well")
        script.send(
            [
                script.subscription(0, 5), script.trade(0, 10, id: 1), script.subscription(1, 12),
                .tape(.providerBar(bar)), script.trade(1, 20, id: 2), script.trade(0, 25, id: 3),
                script.feed(.live, 5), .tape(.bulletin(bulletin)),
                script.gap(1, 21, 27, .open, .any),
            ], first, floor: 30)
        // All but the feed's state.
        #expect(try eventually { try script.records().count == 8 })
        let all = try script.records()
        #expect(try Set(script.trades()) == ["AAPL 1", "AAPL 3", "SPY 2"])
        // The definition that comes with a symbol's first tick has the provider, and since when it
        // delivers.
        #expect(
            all.filter { $0.trade != nil }.allSatisfy {
                $0.definition?.since == script.at($0.symbol == "AAPL" ? 5 : 12)
            })
        #expect(all.filter { $0.subscription != nil }.map(\.symbol).sorted() == ["AAPL", "SPY"])
        #expect(try script.feedOnTape().gaps == ["SPY open 21-27"])
        #expect(all.count { $0.record == .bulletin(bulletin) } == 1)
        #expect(all.count { $0.bar != nil } == 1)
        #expect(try first.running.stop() == .success)
        #expect(script.log.stops == 1)
    }

    @Test("the watermark follows what providers promise, and not before they do")
    func watermarks() throws {
        let script = try script("del2")
        let first = try script.open(["AAPL"])
        first.began.channel.deliver([script.trade(0, 10, id: 1)], floor: .undefined)
        #expect(try eventually { try script.trades().count == 1 })
        #expect(try watermark(script)?.nanoseconds == Int64.min)
        for (records, floor) in [([script.trade(0, 20, id: 2)], 15), ([], 40)]
            as [([ProviderRecord], Int64)]
        {
            script.send(records, first, floor: floor)
            #expect(
                try eventually {
                    try TapeAudit.watermark(script.tape, source()) == script.at(floor)
                })
        }
        #expect(try first.running.stop() == .success)
    }

    @Test("what stands on the tape behind the watermark is not told to be missing")
    func behindTheWatermark() throws {
        let script = try script("del7")
        let first = try script.open(["AAPL"])
        // Stamps are coarse, so the promise is earlier than the ticks.
        script.send(
            [script.subscription(0, 5), script.trade(0, 10, id: 1), script.trade(0, 30, id: 2)],
            first, floor: 17)
        #expect(try eventually { try script.trades().count == 2 })
        #expect(try first.running.stop() == .success)
        let other = try script.open(["AAPL"])
        #expect(other.began.order.reached == [script.at(30).advanced(byNanoseconds: 1)])
        #expect(try other.running.stop() == .success)
    }

    @Test("a successor's providers are told how far the tape is, and instruments may come later")
    func successor() throws {
        let script = try script("del3")
        let first = try script.open(["AAPL"])
        script.send([script.subscription(0, 5), script.trade(0, 10, id: 1)], first, floor: 17)
        #expect(try eventually { try watermark(script) == script.at(17) })
        #expect(try first.running.stop() == .success)
        let second = try script.open(["AAPL"])
        let order = second.began.order
        #expect(order.reached == [script.at(17)])
        let change = order.registry.follow(try [.named("AAPL"), .named("MSFT")])
        #expect(change.begun == [1])
        script.send([script.subscription(1, 50), script.trade(1, 60, id: 2)], second, floor: 60)
        #expect(try eventually { try script.trades().count == 2 })
        #expect(try script.trades().sorted() == ["AAPL 1", "MSFT 2"])
        #expect(try second.running.stop() == .success)
    }

    @Test("what is of no known instrument is refused and counted, and nothing else suffers")
    func unknown() throws {
        let script = try script("del4")
        let first = try script.open(["AAPL"])
        script.send(
            [
                script.trade(7, 10, id: 1), script.trade(TickHeader.noSymbol, 11, id: 2),
                script.subscription(0, 6, provider: String(repeating: "x", count: 65)),
                script.trade(0, 12, id: 3),
            ], first, floor: 12)
        #expect(try eventually { try script.trades() == ["AAPL 3"] })
        #expect(eventually { first.running.log.count(of: "gateway.record_refused") == 3 })
        #expect(try first.running.stop() == .success)
    }

    @Test("a provider that is at its end holds no other one's watermark")
    func finished() throws {
        let script = try script("del5")
        let (one, other) = (ScriptedProvider.Log(), ScriptedProvider.Log())
        let gateway = try TestGateway.scripted(
            script.tape, ["one": one, "other": other], [.named("AAPL")])
        let running = try gateway.start()
        let (first, second) = try (one.begun().channel, other.begun().channel)
        func expectWatermark(_ second: Int64) throws {
            #expect(
                try eventually {
                    try TapeAudit.watermark(script.tape, source()) == script.at(second)
                })
        }
        first.deliver([script.trade(0, 10, id: 1)], floor: script.at(10))
        second.deliver([], floor: script.at(40))
        try expectWatermark(10)
        first.finish()
        try expectWatermark(40)
        let ended = "mds_gateway_source_ended{source=\"feed\"}"
        #expect(running.service.metric(ended) == 0)
        second.finish()
        #expect(eventually { running.service.metric(ended) == 1 })
        #expect(try running.stop() == .success)
        #expect(one.stops == 1 && other.stops == 1)
    }

    @Test("providers that are not known, twice there, or beside the synthetic market are refused")
    func names() throws {
        let kind = ScriptedProvider.kind("scripted", ScriptedProvider.Log())
        let wrong = ["scripted,scripted", "synthetic,scripted", "other", "scripted,other"]
        for names in wrong {
            let problems = TestService.problems(
                Main.description(of: [.synthetic, kind]), ["GATEWAY_PROVIDER": names])
            #expect(problems.count == 1, "\(names): \(problems)")
            #expect(problems.allSatisfy { $0.contains("GATEWAY_PROVIDER") })
        }
    }
}
