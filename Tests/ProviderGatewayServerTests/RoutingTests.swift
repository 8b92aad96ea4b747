import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import ServiceTestSupport
import Synchronization
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import ProviderGateway
@testable import ProviderGatewayTests

@Suite("A source with several providers")
struct RoutingTests {
    private let start = SystemClock().now()

    private func at(_ milliseconds: Int64) -> Timestamp {
        start.advanced(byNanoseconds: milliseconds * 1_000_000 - 60_000_000_000)
    }

    private func header(_ milliseconds: Int64, id: UInt64 = 0) -> TickHeader {
        TickHeader(
            symbol: 0, providerTime: at(milliseconds), receiveTime: at(milliseconds),
            providerID: id)
    }

    private func trade(_ milliseconds: Int64, id: UInt64) -> ProviderRecord {
        .tape(
            .trade(
                Trade(
                    header: header(milliseconds, id: id), price: Price(raw: 1_000_000_000),
                    size: Quantity(raw: 100_000_000))))
    }

    private func begin(_ provider: String, _ milliseconds: Int64) -> [ProviderRecord] {
        [
            .tape(
                .subscription(
                    SubscriptionRecord(
                        header: header(milliseconds), action: .start, kind: .trade, mode: .live,
                        provider: provider))),
            .feed(FeedState(instrument: 0, state: .live, time: at(milliseconds))),
        ]
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

    /// Returns a gateway for which `one` is the preferred provider of the only instrument.
    private func gateway(
        _ tape: TestTape, _ one: ScriptedProvider.Log, _ other: ScriptedProvider.Log
    ) throws -> TestGateway {
        let spy = Instrument(
            symbol: try #require(Symbol("SPY")), contract: Instrument.Contract(.stock),
            feeds: .trades)
        return try TestGateway(
            tape, ["GATEWAY_PROVIDER": "one,other", "GATEWAY_SOURCE": "feed"],
            providers: [
                ScriptedProvider.kind("one", one), ScriptedProvider.kind("other", other),
            ], instruments: [spy])
    }

    private struct Found {
        var trades: [String] = []
        var gaps: [GapRecord] = []
        var switches: [String] = []
    }

    private func found(_ tape: TestTape) throws -> Found {
        var found = Found()
        let symbol = try #require(Symbol("SPY"))
        for packet in try tape.tickPackets(tape.names.partition(of: symbol)) {
            packet.payload.withRawSpan { bytes in
                var cursor = RecordCursor()
                var definition: SymbolDefinition?
                while let record = cursor.next(in: bytes) {
                    switch record {
                    case .trade(let trade):
                        found.trades.append(
                            "\(trade.header.providerID) \(definition?.provider ?? "?")")
                    case .other(let message):
                        if let (_, known) = message.symbolDefinition(in: bytes) {
                            definition = known
                        } else if let gap = message.gapRecord(in: bytes) {
                            found.gaps.append(gap)
                        } else if let change = message.subscriptionRecord(in: bytes),
                            change.action == SubscriptionAction.switchProvider.rawValue
                        {
                            found.switches.append("\(change.previousProvider)>\(change.provider)")
                        }
                    default: continue
                    }
                }
            }
        }
        return found
    }

    @Test("when one refuses the other delivers: no tick twice, and each under its provider")
    func failover() throws {
        let tape = try TestTape(NatsServer.shared(), namespace: "routing")
        let (one, other) = (ScriptedProvider.Log(), ScriptedProvider.Log())
        let gateway = try gateway(tape, one, other)
        let running = try gateway.start()
        #expect(eventually { one.starts.count == 1 && other.starts.count == 1 })
        let first = try #require(one.starts.first)
        let second = try #require(other.starts.first)
        #expect(first.order.instruments == [0] && second.order.instruments.isEmpty)

        send(begin("one", 5) + [trade(10, id: 1)], floor: 10, first.channel)
        // This record was not requested.
        send([trade(10, id: 91)], floor: 10, second.channel)
        let gap = GapRecord(
            header: header(20), from: at(11), to: .undefined, kind: .trade, reason: .disconnected,
            state: .open)
        send(
            [.tape(.gap(gap)), .feed(FeedState(instrument: 0, state: .refused, time: at(20)))],
            floor: 20,
            first.channel)
        #expect(eventually { other.follows == [.init(begun: [0], ended: [])] })
        send(begin("other", 30) + [trade(40, id: 2)], floor: 40, second.channel)
        send([trade(41, id: 92)], floor: 41, first.channel)
        #expect(try eventually { try found(tape).trades.count >= 2 })
        send([trade(50, id: 3)], floor: 50, second.channel)
        #expect(try eventually { try found(tape).trades.count >= 3 })
        let all = try found(tape)
        #expect(all.trades == ["1 one", "2 other", "3 other"])
        #expect(all.switches == ["one>other"])
        #expect(all.gaps.map(\.to) == [.undefined, at(30)])
        #expect(one.follows.isEmpty && running.log.contains("gateway.provider_switched"))
        // A provider that feeds nothing does not hold the watermark back.
        let source = try #require(SourceName("feed"))
        #expect(try eventually { try TapeAudit.watermark(tape, source) == at(50) })
        #expect(
            gateway.service.metric(#"mds_gateway_unrouted_records_total{source="feed"}"#) == 2)
        #expect(try running.stop() == .success)
    }

    private func tick(_ time: Timestamp, id: UInt64) -> ProviderRecord {
        .tape(
            .trade(
                Trade(
                    header: TickHeader(
                        symbol: 0, providerTime: time, receiveTime: time, providerID: id),
                    price: Price(raw: 1_000_000_000), size: Quantity(raw: 100_000_000))))
    }

    @Test("the preferred one delivers again once it is back: no tick twice, and none is missing")
    func back() throws {
        let tape = try TestTape(NatsServer.shared(), namespace: "routing2")
        let (one, other) = (ScriptedProvider.Log(), ScriptedProvider.Log())
        var gateway = try gateway(tape, one, other)
        gateway.settings.delivery.routing.returnNanoseconds = 100_000_000
        gateway.settings.delivery.routing.graceNanoseconds = 100_000_000
        let running = try gateway.start()
        #expect(eventually { one.starts.count == 1 && other.starts.count == 1 })
        let first = try #require(one.starts.first).channel
        let second = try #require(other.starts.first).channel
        #expect(try eventually { try gateway.status.at("feeds", "SPY")?.string == "one" })
        send([.feed(FeedState(instrument: 0, state: .refused, time: at(5)))], floor: 5, first)
        #expect(eventually { other.follows == [.init(begun: [0], ended: [])] })
        #expect(try eventually { try gateway.status.at("feeds", "SPY")?.string == "other" })
        send(begin("other", 30), floor: 30, second)
        send([.feed(FeedState(instrument: 0, state: .live, time: at(40)))], floor: 40, first)
        // From now on both deliver the same ticks, and the switch is still to come.
        var ids: UInt64 = 0
        let clock = SystemClock()
        var last = clock.now()
        #expect(
            try eventually {
                let now = clock.now()
                guard now > last else { return false }
                (ids, last) = (ids + 1, now)
                send([tick(now, id: ids)], floor: 40, first)
                send([tick(now, id: ids)], floor: 40, second)
                return try found(tape).switches == ["one>other", "other>one"]
            })
        // Some more ticks of the preferred provider alone.
        send([tick(clock.now(), id: ids + 1)], floor: 40, first)
        #expect(try eventually { try found(tape).trades.last == "\(ids + 1) one" })
        #expect(eventually { other.follows.last == .init(begun: [], ended: [0]) })
        #expect(try gateway.status.at("feeds", "SPY")?.string == "one")
        let all = try found(tape)
        let numbers = all.trades.compactMap { UInt64($0.split(separator: " ")[0]) }
        #expect(numbers == Array(1...ids + 1), "\(all.trades)")
        #expect(all.gaps.isEmpty)
        #expect(try running.stop() == .success)
    }

    @Test("one that cannot be started leaves the others alone, and delivers when it is there")
    func notStarted() throws {
        let tape = try TestTape(NatsServer.shared(), namespace: "routing3")
        let (one, other) = (ScriptedProvider.Log(), ScriptedProvider.Log())
        one.isRefusing.withLock { $0 = true }
        var gateway = try gateway(tape, one, other)
        gateway.settings.delivery.retries.first = .milliseconds(20)
        gateway.settings.delivery.retries.longest = .milliseconds(20)
        let running = try gateway.start()
        #expect(eventually { other.follows == [.init(begun: [0], ended: [])] })
        let second = try #require(other.starts.first).channel
        send(begin("other", 30) + [trade(40, id: 2)], floor: 40, second)
        #expect(try eventually { try found(tape).trades == ["2 other"] })
        #expect(running.log.contains("gateway.provider_not_started"))
        #expect(try gateway.status.at("providers", "one", "state")?.string == "not started")
        #expect(one.starts.isEmpty && other.starts.count == 1 && other.stops == 0)

        one.isRefusing.withLock { $0 = false }
        #expect(eventually { one.starts.count == 1 })
        let first = try #require(one.starts.first)
        #expect(first.order.instruments == [0])
        #expect(eventually { running.log.contains("gateway.provider_started") })
        send(begin("one", 50), floor: 50, first.channel)
        #expect(try running.stop() == .success)
        #expect(one.stops == 1 && other.stops == 1)
    }

    @Test("an outage ends with its instrument, and is nobody's when the instrument is back")
    func relisted() throws {
        let tape = try TestTape(NatsServer.shared(), namespace: "routing4")
        let folder = try TemporaryFolder("routing")
        func write(_ symbols: String) throws -> String {
            let defaults = "defaults: {exchange: SMART, currency: USD, feeds: trades}"
            let list = "version: 1\n\(defaults)\ninstruments: [\(symbols)]\n"
            return try folder.write(list, to: "a.yaml")
        }
        let path = try write("SPY, QQQ")
        let (one, other) = (ScriptedProvider.Log(), ScriptedProvider.Log())
        func gateway() throws -> TestGateway {
            try TestGateway(
                tape,
                [
                    "GATEWAY_PROVIDER": "one,other", "GATEWAY_SOURCE": "feed",
                    "GATEWAY_INSTRUMENTS": path,
                ],
                providers: [
                    ScriptedProvider.kind("one", one), ScriptedProvider.kind("other", other),
                ])
        }
        let first = try gateway()
        let running = try first.start()
        #expect(eventually { one.starts.count == 1 && other.starts.count == 1 })
        let channel = try #require(one.starts.first).channel
        let gap = GapRecord(
            header: header(20), from: at(11), to: .undefined, kind: .trade, reason: .disconnected,
            state: .open)
        send(begin("one", 5) + [trade(10, id: 1), .tape(.gap(gap))], floor: 20, channel)
        #expect(try eventually { try found(tape).gaps.count == 1 })
        _ = try write("QQQ")
        #expect(first.service.context.shutdown.hangUp())
        #expect(eventually { one.follows == [.init(begun: [], ended: [0])] })
        #expect(try eventually { try found(tape).gaps.count == 3 })
        let states = try found(tape).gaps.map(\.state)
        #expect(states == [GapState.open, .open, .abandoned].map(\.rawValue))
        // An instrument that is in the list again is delivered again: from now on nothing is
        // missing.
        _ = try write("QQQ, SPY")
        #expect(first.service.context.shutdown.hangUp())
        #expect(eventually { one.follows.last == .init(begun: [0], ended: []) })
        send(begin("one", 30) + [trade(40, id: 2)], floor: 40, channel)
        #expect(try eventually { try found(tape).trades == ["1 one", "2 one"] })
        #expect(try running.stop() == .success)

        let second = try gateway()
        let again = try second.start()
        #expect(eventually { one.starts.count == 2 })
        #expect(one.starts.last?.order.gaps == [])
        #expect(try again.stop() == .success)
    }
}
