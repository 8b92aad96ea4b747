import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import ServiceTestSupport
import TapeProtocol
import TapeTransport
import TestSupport
import Synchronization
import TapeCodec
import Testing

@testable import ProviderGateway
@testable import ProviderGatewayTests

@Suite("A source with several providers")
struct RoutingTests {
    /// A tape, and a gateway for which `one` is the preferred provider of the only instrument.
    private struct Scene {
        let script: FeedScript
        let one = ScriptedProvider.Log()
        let other = ScriptedProvider.Log()

        init(_ namespace: String) throws {
            script = FeedScript(
                tape: try TestTape(NatsServer.shared(), namespace: namespace),
                resolution: TimeResolution.unknown.rawValue)
        }

        func gateway(list: String? = nil) throws -> TestGateway {
            try TestGateway.scripted(
                script.tape, ["one": one, "other": other],
                list == nil ? [.named("SPY")] : nil,
                list.map { ["GATEWAY_INSTRUMENTS": $0] } ?? [:])
        }

        func begin(_ provider: String, _ second: Int64) -> [ProviderRecord] {
            [script.subscription(0, second, provider: provider), script.feed(.live, second)]
        }

        func send(_ records: [ProviderRecord], floor second: Int64, _ channel: ProviderChannel) {
            channel.deliver(records, floor: script.at(second))
        }

        /// The ids of the trades on the tape, each with its provider.
        func trades() throws -> [String] {
            try script.records().filter { $0.trade != nil }.map {
                "\($0.id) \($0.definition?.provider ?? "?")"
            }
        }

        func gaps() throws -> [GapRecord] { try script.records().compactMap(\.gap) }

        func switches() throws -> [String] {
            try script.records().compactMap(\.subscription)
                .filter { $0.action == SubscriptionAction.switchProvider.rawValue }
                .map { "\($0.previousProvider)>\($0.provider)" }
        }
    }

    @Test("when one refuses the other delivers: no tick twice, and each under its provider")
    func failover() throws {
        let scene = try Scene("routing")
        let (script, one, other) = (scene.script, scene.one, scene.other)
        let gateway = try scene.gateway()
        let running = try gateway.start()
        let (first, second) = try (one.begun(), other.begun())
        #expect(first.order.instruments == [0] && second.order.instruments.isEmpty)

        scene.send(scene.begin("one", 5) + [script.trade(0, 10, id: 1)], floor: 10, first.channel)
        // This record was not requested.
        scene.send([script.trade(0, 10, id: 91)], floor: 10, second.channel)
        scene.send([script.gap(0, 11, nil), script.feed(.refused, 20)], floor: 20, first.channel)
        #expect(eventually { other.follows == [.init(begun: [0], ended: [])] })
        scene.send(
            scene.begin("other", 30) + [script.trade(0, 40, id: 2)], floor: 40, second.channel)
        scene.send([script.trade(0, 41, id: 92)], floor: 41, first.channel)
        #expect(try eventually { try scene.trades().count >= 2 })
        scene.send([script.trade(0, 50, id: 3)], floor: 50, second.channel)
        #expect(try eventually { try scene.trades().count >= 3 })
        #expect(try scene.trades() == ["1 one", "2 other", "3 other"])
        #expect(try scene.switches() == ["one>other"])
        #expect(try scene.gaps().map(\.to) == [.undefined, script.at(30)])
        #expect(one.follows.isEmpty && running.log.contains("gateway.provider_switched"))
        // A provider that feeds nothing does not hold the watermark back.
        let source = try #require(SourceName("feed"))
        #expect(try eventually { try TapeAudit.watermark(script.tape, source) == script.at(50) })
        #expect(gateway.service.metric(#"mds_gateway_unrouted_records_total{source="feed"}"#) == 2)
        #expect(try running.stop() == .success)
    }

    @Test("the preferred one delivers again once it is back: no tick twice, and none is missing")
    func back() throws {
        let scene = try Scene("routing2")
        let (script, other) = (scene.script, scene.other)
        var gateway = try scene.gateway()
        gateway.settings.delivery.routing.returnNanoseconds = 100_000_000
        gateway.settings.delivery.routing.graceNanoseconds = 100_000_000
        let running = try gateway.start()
        let (first, second) = try (scene.one.begun().channel, other.begun().channel)
        #expect(try eventually { try gateway.status.at("feeds", "SPY")?.string == "one" })
        scene.send([script.feed(.refused, 5)], floor: 5, first)
        #expect(eventually { other.follows == [.init(begun: [0], ended: [])] })
        #expect(try eventually { try gateway.status.at("feeds", "SPY")?.string == "other" })
        scene.send(scene.begin("other", 30), floor: 30, second)
        scene.send([script.feed(.live, 40)], floor: 40, first)
        // From now on both deliver the same ticks, and the switch is still to come.
        var ids: UInt64 = 0
        let clock = SystemClock()
        var last = clock.now()
        #expect(
            try eventually {
                let now = clock.now()
                guard now > last else { return false }
                (ids, last) = (ids + 1, now)
                for channel in [first, second] {
                    scene.send([.trade(at: now, id: ids)], floor: 40, channel)
                }
                return try scene.switches() == ["one>other", "other>one"]
            })
        // Some more ticks of the preferred provider alone.
        scene.send([.trade(at: clock.now(), id: ids + 1)], floor: 40, first)
        #expect(try eventually { try scene.trades().last == "\(ids + 1) one" })
        #expect(eventually { other.follows.last == .init(begun: [], ended: [0]) })
        #expect(try gateway.status.at("feeds", "SPY")?.string == "one")
        let numbers = try script.records().filter { $0.trade != nil }.map(\.id)
        #expect(numbers == Array(1...ids + 1))
        #expect(try scene.gaps().isEmpty)
        #expect(try running.stop() == .success)
    }

    @Test("one that cannot be started leaves the others alone, and delivers when it is there")
    func notStarted() throws {
        let scene = try Scene("routing3")
        let (one, other) = (scene.one, scene.other)
        one.isRefusing.withLock { $0 = true }
        var gateway = try scene.gateway()
        gateway.settings.delivery.retries.first = .milliseconds(20)
        gateway.settings.delivery.retries.longest = .milliseconds(20)
        let running = try gateway.start()
        #expect(eventually { other.follows == [.init(begun: [0], ended: [])] })
        let second = try #require(other.starts.first).channel
        scene.send(scene.begin("other", 30) + [scene.script.trade(0, 40, id: 2)], floor: 40, second)
        #expect(try eventually { try scene.trades() == ["2 other"] })
        #expect(running.log.contains("gateway.provider_not_started"))
        #expect(try gateway.status.at("providers", "one", "state")?.string == "not started")
        #expect(one.starts.isEmpty && other.starts.count == 1 && other.stops == 0)

        one.isRefusing.withLock { $0 = false }
        let first = try one.begun()
        #expect(first.order.instruments == [0])
        #expect(eventually { running.log.contains("gateway.provider_started") })
        scene.send(scene.begin("one", 50), floor: 50, first.channel)
        #expect(try running.stop() == .success)
        #expect(one.stops == 1 && other.stops == 1)
    }

    @Test("an outage ends with its instrument, and is nobody's when the instrument is back")
    func relisted() throws {
        let scene = try Scene("routing4")
        let (script, one) = (scene.script, scene.one)
        let folder = try TemporaryFolder("routing")
        func write(_ symbols: String) throws -> String {
            let defaults = "defaults: {exchange: SMART, currency: USD, feeds: trades}"
            let list = "version: 1\n\(defaults)\ninstruments: [\(symbols)]\n"
            return try folder.write(list, to: "a.yaml")
        }
        let path = try write("SPY, QQQ")
        let first = try scene.gateway(list: path)
        let running = try first.start()
        let channel = try one.begun().channel
        _ = try scene.other.begun()
        scene.send(
            scene.begin("one", 5) + [script.trade(0, 10, id: 1), script.gap(0, 11, nil)],
            floor: 20, channel)
        #expect(try eventually { try scene.gaps().count == 1 })
        _ = try write("QQQ")
        #expect(first.service.context.shutdown.hangUp())
        #expect(eventually { one.follows == [.init(begun: [], ended: [0])] })
        #expect(try eventually { try scene.gaps().count == 3 })
        let states = try scene.gaps().map(\.state)
        #expect(states == [GapState.open, .open, .abandoned].map(\.rawValue))
        // An instrument that is in the list again is delivered again: from now on nothing is
        // missing.
        _ = try write("QQQ, SPY")
        #expect(first.service.context.shutdown.hangUp())
        #expect(eventually { one.follows.last == .init(begun: [0], ended: []) })
        scene.send(scene.begin("one", 30) + [script.trade(0, 40, id: 2)], floor: 40, channel)
        #expect(try eventually { try scene.trades() == ["1 one", "2 one"] })
        #expect(try running.stop() == .success)

        let again = try scene.gateway(list: path).start()
        #expect(try one.begun(2).order.gaps == [])
        #expect(try again.stop() == .success)
    }
}
