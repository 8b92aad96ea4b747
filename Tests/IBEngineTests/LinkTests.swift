import MarketModel
import Primitives
import ProviderModel
import Testing

@testable import IBEngine
@testable import IBProtocol

@Suite("What is told of the whole connection") struct LinkTests {
    private static let now = Moment(
        wall: Timestamp(nanoseconds: World.dayStart * second), monotonic: second)

    @Test(
        "A platform without its vendor is noted before the session is ready",
        arguments: [1100, 2110])
    func early(_ code: Int32) {
        var engine = IBEngine(IBEngineSettings(seed: 1))
        var output = IBEngine.Output()
        engine.take(IBNotice(request: -1, code: code, text: "lost"), Self.now, &output)
        #expect(engine.link.serverLost == Self.now.monotonic)
        engine.take(IBNotice(request: -1, code: 1102, text: "restored"), Self.now, &output)
        #expect(engine.link.serverLost == nil)
    }

    @Test("A connection that has to be silent for its messages is not taken for dead")
    func heartbeat() {
        var world = World(seed: 7, feeds: [.level1], canBackfill: false)
        world.isTrading = false
        world.start()
        for _ in 0..<50 { world.step(100_000_000) }
        // Too many messages, said again and again: the waits grow to minutes.
        for _ in 0..<6 {
            world.server.send(world.server.words.notice(-1, 100, "Max rate of messages"), world.now)
            for _ in 0..<2_000 { world.step(100_000_000) }
        }
        #expect(world.engine.status.counters.connections == 1)
    }

    @Test("A bulletin is told once, and another one with its number as well")
    func bulletins() {
        var engine = IBEngine(IBEngineSettings(seed: 1))
        var output = IBEngine.Output()
        for text in ["halted", "halted", "resumed"] {
            let bulletin = BulletinMessage(id: 1, kind: .regular, text: text, exchange: "NYSE")
            engine.take(bulletin, Self.now, &output)
        }
        #expect(output.records.count == 2)
    }
}
