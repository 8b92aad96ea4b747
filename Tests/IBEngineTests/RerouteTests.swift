import MarketModel
import Testing

@testable import IBEngine

@Suite("Data that another contract has") struct RerouteTests {
    @Test("What a live subscription misses while it is sent on lies in a gap")
    func live() throws {
        var world = World.running([.level1], seed: 9) { $0.server.symbols.append("") }
        let id = try #require(world.server.subscriptions.first { $0.value.kind == .level1 }?.key)
        world.server.send(ServerMessages.frame(["91", "\(id)", "71", "ARCA"]), world.now)
        world.pass(1)
        let kinds = Set(world.verdict.gaps.keys.map(\.kind))
        #expect(kinds.isSuperset(of: [DataKind.trade.rawValue, DataKind.quote.rawValue]))
    }

    @Test("A request that is sent on is of the other contract alone, and is sent on thrice at most")
    func bounded() {
        var world = World(seed: 9, feeds: [.level1], canBackfill: false)
        world.isTrading = false
        // A contract without a symbol is the other one.
        world.server.symbols.append("")
        world.start()
        world.pass(1)
        for turn in 1...6 {
            let id = world.engine.feeds.routes.keys.max() ?? 0
            world.server.send(
                ServerMessages.frame(["91", "\(id)", "\(70 + turn)", "ARCA"]), world.now)
            world.pass(1)
        }
        let asked = world.requests("1")
        #expect(asked == 1 + EngineLimits.reroutesMax)
        let state = world.engine.status.instruments.first?.feeds.first?.state
        #expect(state == .refused)
    }
}
