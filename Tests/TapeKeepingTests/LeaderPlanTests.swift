import Primitives
import Testing

@testable import TapeKeeping

/// Where the leaders of the tape's streams are moved.
@Suite struct LeaderPlanTests {
    private static let second: Int64 = 1_000_000_000
    private static let names = ["T0", "T1", "T2", "T3", "B"]

    private func streams(_ leaders: [String], isWhole: Bool = true) -> [LeaderPlan.Stream] {
        zip(Self.names, leaders).map {
            LeaderPlan.Stream(
                name: $0, leader: $1, servers: ["n0", "n1", "n2"], isWhole: isWhole)
        }
    }

    /// Plays the plan on leaders that obey, a look every five seconds.
    private func play(
        _ plan: inout LeaderPlan, _ leaders: inout [String], from: Int64, seconds: Int64
    ) -> [(at: Int64, move: LeaderPlan.Move)] {
        var moves: [(at: Int64, move: LeaderPlan.Move)] = []
        for at in stride(from: from, to: from + seconds, by: 5) {
            guard let move = plan.look(streams(leaders), now: .at(at * Self.second)),
                let index = Self.names.firstIndex(of: move.stream)
            else { continue }
            leaders[index] = move.server
            moves.append((at, move))
        }
        return moves
    }

    @Test("after a minute of quiet the leaders are spread, one at a time, and then stay")
    func spread() {
        var plan = LeaderPlan()
        var leaders = ["n1", "n1", "n1", "n1", "n1"]
        let moves = play(&plan, &leaders, from: 0, seconds: 300)
        #expect(leaders == ["n0", "n1", "n2", "n0", "n1"])
        #expect(moves.map(\.at) == [60, 65, 70])
        #expect(moves.map(\.move.server) == ["n0", "n2", "n0"])
    }

    @Test("a copy that is not whole starts the minute again, and so does a look that failed")
    func unsteady() {
        for broken in [[], streams(["n1", "n1", "n1", "n1", "n1"], isWhole: false)] {
            var plan = LeaderPlan()
            var leaders = ["n1", "n1", "n1", "n1", "n1"]
            #expect(play(&plan, &leaders, from: 0, seconds: 55).isEmpty)
            #expect(plan.look(broken, now: .at(55 * Self.second)) == nil)
            #expect(play(&plan, &leaders, from: 60, seconds: 60).isEmpty)
            #expect(play(&plan, &leaders, from: 120, seconds: 5).count == 1)
        }
    }

    @Test(
        "a move that is refused or has no effect is not repeated for ten minutes; others are made",
        arguments: [true, false])
    func refused(isToldSo: Bool) {
        var plan = LeaderPlan()
        let now = { (seconds: Int64) in MonotonicTime.at(seconds * Self.second) }
        var all = streams(["n1", "n1", "n1", "n0", "n1"])
        _ = plan.look(all, now: now(0))
        #expect(plan.look(all, now: now(60)) == LeaderPlan.Move(stream: "T0", server: "n0"))
        if isToldSo { plan.refused(now: now(60)) }
        #expect(plan.look(all, now: now(64)) == nil)
        #expect(plan.look(all, now: now(65)) == LeaderPlan.Move(stream: "T2", server: "n2"))
        all = streams(["n1", "n1", "n2", "n0", "n1"])
        let again: Int64 = isToldSo ? 660 : 665
        #expect(plan.look(all, now: now(again - 1)) == nil)
        #expect(plan.look(all, now: now(again)) == LeaderPlan.Move(stream: "T0", server: "n0"))
    }

    @Test("a move that worked is made again at once when the server was restarted once more")
    func restartedAgain() {
        var plan = LeaderPlan()
        var leaders = ["n0", "n1", "n1", "n0", "n1"]
        #expect(play(&plan, &leaders, from: 0, seconds: 300).map(\.move.server) == ["n2"])
        leaders[2] = "n1"
        #expect(plan.look([], now: .at(305 * Self.second)) == nil)
        #expect(play(&plan, &leaders, from: 310, seconds: 65).map(\.move.server) == ["n2"])
    }

    @Test("one copy has nowhere to go")
    func single() {
        var plan = LeaderPlan()
        let one = [LeaderPlan.Stream(name: "T0", leader: "n1", servers: ["n1"], isWhole: true)]
        for at in Int64(0)..<100 { #expect(plan.look(one, now: .at(at * Self.second)) == nil) }
    }
}
