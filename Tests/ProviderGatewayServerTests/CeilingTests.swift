import MarketModel
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TestSupport
import Testing

@testable import ProviderGateway

@Suite("The ceiling of ticks per second")
struct CeilingTests {
    private static let second: Int64 = 1_000_000_000

    /// Offers ticks evenly, and returns how many are admitted in each second.
    private func admitted(
        _ ceiling: inout TickCeiling, perSecond: Int, from start: Int, seconds: Int
    ) -> [Int] {
        (start..<start + seconds).map { second in
            var count = 0
            for turn in 0..<10 {
                let now = Int64(second) * Self.second + Int64(turn) * Self.second / 10
                ceiling.refill(MonotonicTime(nanoseconds: now))
                for _ in 0..<perSecond / 10 where ceiling.admits {
                    ceiling.count()
                    count += 1
                }
            }
            return count
        }
    }

    @Test("above it, so many are admitted; a second of quiet is kept, and no more")
    func budget() {
        var none = TickCeiling(perSecond: 0)
        #expect(admitted(&none, perSecond: 1_000, from: 0, seconds: 2) == [1_000, 1_000])
        var ceiling = TickCeiling(perSecond: 100)
        #expect(admitted(&ceiling, perSecond: 100, from: 0, seconds: 2) == [100, 100])
        let busy = admitted(&ceiling, perSecond: 1_000, from: 2, seconds: 3)
        // At first what a second may have is there, too.
        #expect(busy[0] > 100 && busy[0] <= 200 && busy[1] == 100 && busy[2] == 100)
        let later = admitted(&ceiling, perSecond: 1_000, from: 60, seconds: 2)
        #expect(later[0] > 100 && later[0] <= 200 && later[1] == 100)
    }

    @Test("what a policy takes beyond it is owed, for a second at most")
    func owed() {
        var ceiling = TickCeiling(perSecond: 10)
        ceiling.refill(MonotonicTime(nanoseconds: 0))
        for _ in 0..<1_000 { ceiling.count() }
        #expect(!ceiling.admits)
        ceiling.refill(MonotonicTime(nanoseconds: Self.second))
        #expect(!ceiling.admits)
        ceiling.refill(MonotonicTime(nanoseconds: 2 * Self.second))
        #expect(ceiling.admits)
        // A clock that stands still or runs back gives nothing.
        ceiling.refill(MonotonicTime(nanoseconds: 0))
        ceiling.refill(MonotonicTime(nanoseconds: 0))
        var most = TickCeiling(perSecond: Int.max)
        most.refill(MonotonicTime(nanoseconds: 0))
        most.refill(MonotonicTime(nanoseconds: Int64.max / 2))
        #expect(most.admits)
    }

    @Test("it is exceeded for a second after the last tick that was too many")
    func exceeded() {
        var ceiling = TickCeiling(perSecond: 1)
        #expect(!ceiling.wasExceeded(MonotonicTime(nanoseconds: 5)))
        ceiling.lacked(MonotonicTime(nanoseconds: 5))
        #expect(ceiling.wasExceeded(MonotonicTime(nanoseconds: 4 + Self.second)))
        #expect(!ceiling.wasExceeded(MonotonicTime(nanoseconds: 5 + Self.second)))
    }

    @Test(
        "only ticks above it meet the policy, but conflated quotes all the time",
        arguments: [
            (BackpressurePolicy.block, BackpressureMachine.Action.take), (.drop, .leaveOut),
            (.error, .end),
        ])
    func policies(policy: BackpressurePolicy, above: BackpressureMachine.Action) {
        let time = Timestamp(nanoseconds: 1_700_000_000_000_000_000)
        var machine = BackpressureMachine(
            BackpressureMachine.Policies(trades: policy, quotes: .conflate), symbols: 1)
        _ = machine.set(.ceiling, true)
        func action(_ kind: DataKind, isOver: Bool) -> BackpressureMachine.Action {
            machine.action(kind: kind, symbol: 0, time: time, isOver: isOver)
        }
        #expect(action(.trade, isOver: false) == .take)
        #expect(action(.trade, isOver: true) == above)
        #expect(action(.quote, isOver: false) == .take && action(.quote, isOver: false) == .hold)
        #expect(action(.depth, isOver: false) == .take && action(.depth, isOver: true) == .leaveOut)
        // Where there is no room besides, every tick meets it.
        _ = machine.set(.headroom, true)
        #expect(action(.trade, isOver: false) == above)
        #expect(machine.causes.text.contains("GATEWAY_TICKS_PER_SECOND"))
    }

    @Test("a market above it waits, is told once, and loses nothing")
    func waits() throws {
        let server = try NatsServer()
        let tape = try TestTape(server, namespace: "ceil")
        let gateway = try TestGateway(
            tape,
            [
                "SYNTHETIC_TICKS": "4000", "SYNTHETIC_PACE": "full",
                "GATEWAY_TICKS_PER_SECOND": "1000",
            ])
        let running = try gateway.start()
        try tape.expectTicks(4_000)
        #expect(try running.stop() == .success)
        let told = gateway.service.log.text.split(separator: "\n").filter {
            $0.contains("GATEWAY_TICKS_PER_SECOND allows")
        }
        #expect(told.count == 1, "\(told)")
    }

    @Test("what is left out above it is in gaps on record")
    func leavesOut() throws {
        let server = try NatsServer()
        let tape = try TestTape(server, namespace: "ceil")
        let gateway = try TestGateway(
            tape,
            [
                "SYNTHETIC_RATE": "3000", "GATEWAY_TICKS_PER_SECOND": "500",
                "GATEWAY_POLICY_TRADES": "drop", "GATEWAY_POLICY_QUOTES": "drop",
            ])
        let running = try gateway.start()
        #expect(try eventually { try tape.ticks() > 1_500 })
        #expect(try running.stop() == .success)
        try tape.expectRight(gateway.settings) { $0.inGaps > 1_000 }
    }
}
