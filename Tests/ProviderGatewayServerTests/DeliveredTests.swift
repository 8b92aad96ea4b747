import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
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
    private func tape(_ namespace: String) throws -> TestTape {
        try TestTape(NatsServer.shared(), namespace: namespace)
    }

    private func instruments(_ names: String...) throws -> [Instrument] {
        try names.map {
            Instrument(
                symbol: try #require(Symbol($0)), contract: Instrument.Contract(.stock),
                feeds: .trades)
        }
    }

    private func gateway(
        _ tape: TestTape, _ log: ScriptedProvider.Log, _ instruments: [Instrument],
        _ environment: [String: String] = [:]
    ) throws -> TestGateway {
        try TestGateway(
            tape,
            environment.merging(["GATEWAY_PROVIDER": "scripted", "GATEWAY_SOURCE": "feed"]) { $1 },
            providers: [ScriptedProvider.kind("scripted", log)], instruments: instruments)
    }

    private let start = SystemClock().now()

    private func at(_ milliseconds: Int64) -> Timestamp {
        start.advanced(byNanoseconds: milliseconds * 1_000_000 - 60_000_000_000)
    }

    private func header(_ symbol: UInt32, _ milliseconds: Int64, id: UInt64 = 0) -> TickHeader {
        TickHeader(
            symbol: symbol, providerTime: at(milliseconds), receiveTime: at(milliseconds),
            providerID: id)
    }

    private func trade(_ symbol: UInt32, _ milliseconds: Int64, id: UInt64) -> ProviderRecord {
        .tape(
            .trade(
                Trade(
                    header: header(symbol, milliseconds, id: id), price: Price(raw: 1_000_000_000),
                    size: Quantity(raw: 100_000_000))))
    }

    private func subscription(
        _ symbol: UInt32, _ milliseconds: Int64, _ action: SubscriptionAction = .start
    ) -> ProviderRecord {
        .tape(
            .subscription(
                SubscriptionRecord(
                    header: header(symbol, milliseconds), action: action, kind: .trade, mode: .live,
                    provider: "scripted")))
    }

    private func send(
        _ records: [ProviderRecord], floor milliseconds: Int64, _ channel: ProviderChannel
    ) {
        var batch = records
        guard case .sent = channel.send(&batch, floor: at(milliseconds)) else {
            Issue.record("the channel takes nothing")
            return
        }
    }

    private struct Found {
        var trades: [(symbol: String, id: UInt64, since: Timestamp)] = []
        var gaps: [(symbol: String, gap: GapRecord)] = []
        var subscriptions: [String] = []
        var bulletins = 0
        var bars = 0
        var watermark = Timestamp(nanoseconds: Int64.min)
    }

    /// Returns all records of the source on the tape, partition by partition.
    private func found(_ tape: TestTape) throws -> Found {
        let source = try #require(SourceName("feed"))
        var found = Found()
        for number in 0..<tape.names.partitions {
            let partition = Partition(number)
            for packet in try tape.tickPackets(partition)
            where packet.subject == tape.names.ticks(partition, source) {
                found.watermark = max(found.watermark, packet.header.watermark)
                packet.payload.withRawSpan { read($0, into: &found) }
            }
        }
        return found
    }

    private func read(_ packet: borrowing RawSpan, into found: inout Found) {
        var names: [UInt32: SymbolDefinition] = [:]
        var cursor = RecordCursor()
        while let record = cursor.next(in: packet) {
            switch record {
            case .trade(let trade):
                let definition = names[trade.header.symbol]
                found.trades.append(
                    (
                        definition?.symbol.text ?? "?", trade.header.providerID,
                        definition?.since ?? .undefined
                    ))
            case .other(let message):
                if let (index, definition) = message.symbolDefinition(in: packet) {
                    names[index] = definition
                } else if let gap = message.gapRecord(in: packet) {
                    found.gaps.append((names[gap.header.symbol]?.symbol.text ?? "", gap))
                } else if let record = message.subscriptionRecord(in: packet) {
                    found.subscriptions.append(names[record.header.symbol]?.symbol.text ?? "?")
                } else if message.newsBulletin(in: packet) != nil {
                    found.bulletins += 1
                } else if message.providerBar(in: packet) != nil {
                    found.bars += 1
                }
            case .quote, .bar: continue
            case .malformed: Issue.record("malformed")
            }
        }
    }

    @Test("every kind of record goes onto the tape once, in order, under its symbol")
    func kinds() throws {
        let tape = try tape("del1")
        let log = ScriptedProvider.Log()
        let gateway = try gateway(tape, log, try instruments("AAPL", "SPY"))
        let running = try gateway.start()
        #expect(eventually { log.starts.count == 1 })
        let began = try #require(log.starts.first)
        #expect(began.order.instruments == [0, 1] && began.order.source.text == "feed")
        #expect(began.order.reached.allSatisfy { !$0.isDefined })
        let bar = ProviderBar(
            header: header(1, 30), openTime: at(0), closeTime: at(30), kind: .trades)
        send(
            [
                subscription(0, 5), trade(0, 10, id: 1), subscription(1, 12),
                .tape(.providerBar(bar)),
                trade(1, 20, id: 2), trade(0, 25, id: 3),
                .feed(FeedState(instrument: 0, state: .live, time: at(5))),
                .tape(
                    .bulletin(
                        NewsBulletin(
                            header: header(TickHeader.noSymbol, 26), kind: .regular,
                            text: "all well"))),
                .tape(
                    .gap(
                        GapRecord(
                            header: header(1, 28), from: at(21), to: at(27), kind: .any,
                            reason: .disconnected, state: .open))),
            ], floor: 30, began.channel)
        #expect(try eventually { try found(tape).trades.count == 3 })
        #expect(try eventually { try found(tape).gaps.count == 1 })
        let all = try found(tape)
        #expect(Set(all.trades.map { "\($0.symbol) \($0.id)" }) == ["AAPL 1", "AAPL 3", "SPY 2"])
        // The definition that comes with a symbol's first tick has the provider, and since when it
        // delivers.
        #expect(all.trades.allSatisfy { $0.since == ($0.symbol == "AAPL" ? at(5) : at(12)) })
        #expect(all.subscriptions.sorted() == ["AAPL", "SPY"])
        #expect(all.gaps.map(\.symbol) == ["SPY"] && all.gaps[0].gap.from == at(21))
        #expect(all.bulletins == 1 && all.bars == 1)
        #expect(try running.stop() == .success)
        #expect(log.stops == 1)
    }

    @Test("the watermark follows what providers promise, and not before they do")
    func watermarks() throws {
        let tape = try tape("del2")
        let log = ScriptedProvider.Log()
        let gateway = try gateway(tape, log, try instruments("AAPL"))
        let running = try gateway.start()
        #expect(eventually { log.starts.count == 1 })
        let channel = try #require(log.starts.first).channel
        let source = try #require(SourceName("feed"))
        var batch = [trade(0, 10, id: 1)]
        _ = channel.send(&batch, floor: .undefined)
        #expect(try eventually { try found(tape).trades.count == 1 })
        #expect(try found(tape).watermark.nanoseconds == Int64.min)
        send([trade(0, 20, id: 2)], floor: 15, channel)
        #expect(try eventually { try TapeAudit.watermark(tape, source) == at(15) })
        send([], floor: 40, channel)
        #expect(try eventually { try TapeAudit.watermark(tape, source) == at(40) })
        #expect(try running.stop() == .success)
    }

    @Test("what stands on the tape behind the watermark is not told to be missing")
    func behindTheWatermark() throws {
        let tape = try tape("del7")
        let log = ScriptedProvider.Log()
        let first = try gateway(tape, log, try instruments("AAPL"))
        let running = try first.start()
        #expect(eventually { log.starts.count == 1 })
        // Stamps are coarse, so the promise is earlier than the ticks.
        send(
            [subscription(0, 5), trade(0, 10, id: 1), trade(0, 30, id: 2)], floor: 17,
            try #require(log.starts.first).channel)
        #expect(try eventually { try found(tape).trades.count == 2 })
        #expect(try running.stop() == .success)
        let other = try gateway(tape, log, try instruments("AAPL")).start()
        #expect(eventually { log.starts.count == 2 })
        let reached = try #require(log.starts.last).order.reached
        #expect(reached == [at(30).advanced(byNanoseconds: 1)])
        #expect(try other.stop() == .success)
    }

    @Test("a successor's providers are told how far the tape is, and instruments may come later")
    func successor() throws {
        let tape = try tape("del3")
        let log = ScriptedProvider.Log()
        let first = try gateway(tape, log, try instruments("AAPL"))
        let running = try first.start()
        #expect(eventually { log.starts.count == 1 })
        send(
            [subscription(0, 5), trade(0, 10, id: 1)], floor: 17,
            try #require(log.starts.first).channel)
        #expect(try eventually { try found(tape).watermark == at(17) })
        #expect(try running.stop() == .success)

        let second = try gateway(tape, log, try instruments("AAPL"))
        let other = try second.start()
        #expect(eventually { log.starts.count == 2 })
        let began = try #require(log.starts.last)
        #expect(began.order.reached == [at(17)])
        let change = began.order.registry.follow(try instruments("AAPL", "MSFT"))
        #expect(change.begun == [1])
        send([subscription(1, 50), trade(1, 60, id: 2)], floor: 60, began.channel)
        #expect(try eventually { try found(tape).trades.count == 2 })
        #expect(try found(tape).trades.map(\.symbol).sorted() == ["AAPL", "MSFT"])
        #expect(try other.stop() == .success)
    }

    @Test("what is of no known instrument is refused and counted, and nothing else suffers")
    func unknown() throws {
        let tape = try tape("del4")
        let log = ScriptedProvider.Log()
        let gateway = try gateway(tape, log, try instruments("AAPL"))
        let running = try gateway.start()
        #expect(eventually { log.starts.count == 1 })
        let long = SubscriptionRecord(
            header: header(0, 6), action: .start, kind: .trade, mode: .live,
            provider: String(repeating: "x", count: 65))
        send(
            [
                trade(7, 10, id: 1), trade(TickHeader.noSymbol, 11, id: 2),
                .tape(.subscription(long)),
                trade(0, 12, id: 3),
            ], floor: 12, try #require(log.starts.first).channel)
        #expect(try eventually { try found(tape).trades.count == 1 })
        #expect(try found(tape).trades.map(\.id) == [3])
        #expect(eventually { running.log.count(of: "gateway.record_refused") == 3 })
        #expect(try running.stop() == .success)
    }

    @Test("a provider that is at its end holds no other one's watermark")
    func finished() throws {
        let tape = try tape("del5")
        let (one, other) = (ScriptedProvider.Log(), ScriptedProvider.Log())
        let gateway = try TestGateway(
            tape, ["GATEWAY_PROVIDER": "one,other", "GATEWAY_SOURCE": "feed"],
            providers: [ScriptedProvider.kind("one", one), ScriptedProvider.kind("other", other)],
            instruments: try instruments("AAPL"))
        let running = try gateway.start()
        #expect(eventually { one.starts.count == 1 && other.starts.count == 1 })
        let source = try #require(SourceName("feed"))
        let (first, second) = (
            try #require(one.starts.first).channel, try #require(other.starts.first).channel
        )
        send([trade(0, 10, id: 1)], floor: 10, first)
        send([], floor: 40, second)
        #expect(try eventually { try TapeAudit.watermark(tape, source) == at(10) })
        first.finish()
        #expect(try eventually { try TapeAudit.watermark(tape, source) == at(40) })
        let metrics = running.service.context.telemetry.metrics
        let ended = {
            String(decoding: metrics.render(), as: UTF8.self).split(separator: "\n")
                .first { $0.hasPrefix("mds_gateway_source_ended{") }?.last
        }
        #expect(ended() == "0")
        second.finish()
        #expect(eventually { ended() == "1" })
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
