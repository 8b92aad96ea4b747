import IBProtocol
import MarketModel
import Primitives
import Testing

@testable import IBEngine

@Suite("The watch over feeds that say nothing") struct WatchTests {
    @Test("No trades are missing while level 1 tells of no other volume")
    func volume() throws {
        var entry = InstrumentEntry(
            1, try FeedBench.instrument([.level1, .trades]), venue: 0, patience: second)
        entry.slots[0].phase = .live(FeedPhase.Live(request: 1, since: Timestamp(nanoseconds: 0)))
        entry.slots[1].silence.last = .at(100 * second)
        #expect(!entry.isQuiet(entry.slots[1]))
        for (volume, time, isQuiet) in [
            (500, 90, true), (500, 110, true), (600, 101, true), (700, 103, false),
        ] as [(Int64, Int64, Bool)] {
            entry.volume.note(Quantity(raw: volume), .at(time * second))
            #expect(entry.isQuiet(entry.slots[1]) == isQuiet, "\(volume) at \(time)")
        }
        entry.slots[1].silence.last = .at(104 * second)
        #expect(entry.isQuiet(entry.slots[1]) && !entry.isQuiet(entry.slots[0]))
        entry.slots[0].phase = .idle(FeedPhase.Idle(pause: .down))
        #expect(!entry.isQuiet(entry.slots[1]))
    }

    @Test("The server is asked for the time before a silent feed is asked for anew")
    func time() throws {
        var world = World.running([.trades, .trades], seed: 8)
        let id = try #require(world.server.subscriptions.keys.min())
        world.server.subscriptions[id]?.isDead = true
        world.pass(30)
        let seen = world.server.requestsSeen
        let cancel = try #require(seen.firstIndex(of: "98"))
        #expect(seen[..<cancel].count { $0 == "49" } == 2)
    }
}
