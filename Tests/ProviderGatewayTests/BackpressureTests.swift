import MarketModel
import Primitives
import Testing

@testable import ProviderGateway

@Suite("Policies of backpressure")
struct BackpressureTests {
    private func time(_ milliseconds: Int64) -> Timestamp {
        Timestamp(nanoseconds: 1_700_000_000_000_000_000 + milliseconds * 1_000_000)
    }

    private func machine(
        _ trades: BackpressurePolicy, _ quotes: BackpressurePolicy
    ) -> BackpressureMachine {
        BackpressureMachine(
            BackpressureMachine.Policies(trades: trades, quotes: quotes), symbols: 2)
    }

    @Test("with room everything is taken, whatever the policies")
    func free() {
        var machine = machine(.error, .drop)
        var action = machine.action(kind: .trade, symbol: 0, time: time(0))
        #expect(action == .take)
        action = machine.action(kind: .quote, symbol: 0, time: time(0))
        #expect(action == .take && !machine.isPressed)
    }

    @Test(
        "each policy under each cause",
        arguments: [
            (BackpressurePolicy.block, BackpressureMachine.Action.take), (.drop, .leaveOut),
            (.error, .end),
        ], [BackpressureMachine.Causes.headroom, .noRoom])
    func pressed(
        policy: (BackpressurePolicy, BackpressureMachine.Action),
        cause: BackpressureMachine.Causes
    ) {
        for kind in [DataKind.trade, .quote] {
            let other: DataKind = kind == .trade ? .quote : .trade
            var machine = kind == .trade ? machine(policy.0, .block) : machine(.block, policy.0)
            let change = machine.set(cause, true)
            #expect(change == cause)
            let action = machine.action(kind: kind, symbol: 1, time: time(5))
            #expect(action == policy.1)
            #expect(machine.providerWaits(kind: kind) == (policy.0 == .block))
            let ofOther = machine.action(kind: other, symbol: 1, time: time(5))
            #expect(ofOther == .take && machine.providerWaits(kind: other))
        }
    }

    @Test("it is pressed until every cause is gone, and each change is told once")
    func causes() {
        var machine = machine(.block, .drop)
        var changes: [BackpressureMachine.Causes?] = [
            machine.set(.headroom, true), machine.set(.headroom, true),
            machine.set(.noRoom, true), machine.set(.headroom, false),
        ]
        #expect(changes == [.headroom, nil, [.headroom, .noRoom], .noRoom])
        #expect(machine.isPressed)
        changes = [machine.set(.noRoom, false), machine.set(.noRoom, false)]
        #expect(changes == [[], nil] && !machine.isPressed)
    }

    @Test(
        "a group that is far behind conflates quotes alone, whatever the policies",
        arguments: [
            BackpressurePolicy.block, .drop, .error, .conflate,
        ])
    func backlog(policy: BackpressurePolicy) {
        var machine = machine(policy == .conflate ? .block : policy, policy)
        #expect(machine.conflate(every: 250_000_000) == .backlog)
        #expect(machine.conflate(every: 500_000_000) == nil)
        #expect(machine.isPressed && !machine.causes.letPoliciesAct)
        var taken: [Int64] = []
        for now in stride(from: Int64(0), to: 2_000, by: 100) {
            let action = machine.action(kind: .quote, symbol: 0, time: time(now))
            if action == .take { taken.append(now) } else { #expect(action == .hold) }
            for kind in [DataKind.trade, .depth, .optionComputation, .news] {
                let other = machine.action(kind: kind, symbol: 0, time: time(now))
                #expect(other == .take)
            }
        }
        #expect(taken == [0, 500, 1_000, 1_500])
        #expect(machine.holds(kind: .quote, symbol: 0, isBackfilled: false))
        #expect(!machine.holds(kind: .depth, symbol: 0, isBackfilled: false))
        #expect(machine.conflate(every: 0) == [] && !machine.isPressed)
        let action = machine.action(kind: .quote, symbol: 0, time: time(1_501))
        #expect(action == .take)
    }

    @Test("beside another cause the policies act, and block still conflates quotes")
    func backlogAndHeadroom() {
        let expected: [(BackpressurePolicy, BackpressureMachine.Action)] = [
            (.block, .hold), (.conflate, .hold), (.drop, .leaveOut), (.error, .end),
        ]
        for (policy, second) in expected {
            var machine = machine(.drop, policy)
            _ = machine.conflate(every: 250_000_000)
            _ = machine.set(.headroom, true)
            _ = machine.action(kind: .quote, symbol: 0, time: time(0))
            let quote = machine.action(kind: .quote, symbol: 0, time: time(200))
            let trade = machine.action(kind: .trade, symbol: 0, time: time(200))
            #expect(quote == second && trade == .leaveOut, "\(policy)")
        }
        // The policy's own second is longer than the step's.
        var machine = machine(.block, .conflate)
        _ = machine.conflate(every: 250_000_000)
        _ = machine.set(.headroom, true)
        _ = machine.action(kind: .quote, symbol: 0, time: time(0))
        let quote = machine.action(kind: .quote, symbol: 0, time: time(600))
        #expect(quote == .hold)
    }

    @Test("conflated quotes: one per symbol and second, the others are held, trades untouched")
    func conflate() {
        var machine = machine(.block, .conflate)
        _ = machine.set(.headroom, true)
        var taken: [Int64] = []
        for now in stride(from: Int64(0), to: 5_000, by: 100) {
            for symbol in 0...1 {
                let action = machine.action(kind: .quote, symbol: symbol, time: time(now))
                if action == .take { taken.append(now) } else { #expect(action == .hold) }
            }
            let trade = machine.action(kind: .trade, symbol: 0, time: time(now))
            #expect(trade == .take)
        }
        #expect(taken == [0, 0, 1_000, 1_000, 2_000, 2_000, 3_000, 3_000, 4_000, 4_000])
        // A clock that was set back does not block any quote.
        let action = machine.action(kind: .quote, symbol: 0, time: time(-9_000))
        #expect(action == .take)
    }

    @Test("a held quote that was taken counts, and what is fetched is not conflated")
    func heldAndFetched() {
        var machine = machine(.block, .conflate)
        _ = machine.set(.headroom, true)
        machine.tookHeldQuote(symbol: 0, time: time(500))
        machine.tookHeldQuote(symbol: 0, time: time(100))
        var actions = [
            machine.action(kind: .quote, symbol: 0, time: time(1_499)),
            machine.action(kind: .quote, symbol: 0, time: time(1_499), isBackfilled: true),
            machine.action(kind: .quote, symbol: 0, time: time(1_500)),
        ]
        #expect(actions == [.hold, .take, .take])
        actions = [
            machine.action(kind: .depth, symbol: 0, time: time(0)),
            machine.action(kind: .quote, symbol: 7, time: time(0)),
        ]
        #expect(actions == [.leaveOut, .leaveOut], "nothing can be conflated to them")
        #expect(machine.holds(kind: .quote, symbol: 1, isBackfilled: false))
        #expect(!machine.holds(kind: .quote, symbol: 1, isBackfilled: true))
        #expect(!machine.holds(kind: .trade, symbol: 1, isBackfilled: false))
    }
}
