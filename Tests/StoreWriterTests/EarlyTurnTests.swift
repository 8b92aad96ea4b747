import Primitives
import ServiceTestSupport
import Testing

@testable import StoreWriter

@Suite("The turn to write an early batch")
struct EarlyTurnTests {
    private let millisecond: Int64 = 1_000_000

    private func at(_ milliseconds: Int64) -> MonotonicTime { .at(milliseconds * millisecond) }

    /// Four workers whose rows wait for 240 ms at most, so that the rest is 20 ms at most.
    private func turn(after milliseconds: Int64? = nil) -> EarlyTurn {
        var turn = EarlyTurn(workers: 4, waitNanoseconds: 240 * millisecond)
        guard let milliseconds else { return turn }
        let first = turn.take(0, now: at(0))
        #expect(first)
        turn.end(0, now: at(milliseconds))
        return turn
    }

    private func takes(_ worker: Int, _ turn: EarlyTurn, now: MonotonicTime) -> Bool {
        var turn = turn
        return turn.take(worker, now: now)
    }

    @Test("an idle writer writes immediately, whichever worker has the rows")
    func idle() {
        for worker in 0..<4 { #expect(takes(worker, turn(), now: at(0))) }
    }

    @Test("only one worker at a time has the turn")
    func one() {
        var turn = turn()
        let first = turn.take(2, now: at(0))
        #expect(first)
        for worker in 0..<4 {
            #expect(turn.beginning(of: worker) == nil)
            #expect(!takes(worker, turn, now: at(1_000)))
        }
        // The end of another worker's batch is not the end of the turn.
        turn.end(1, now: at(5))
        #expect(turn.beginning(of: 1) == nil)
    }

    @Test("all rest for nine times as long as the transaction took; the next worker is first")
    func rest() {
        let turn = turn(after: 2)
        #expect(!takes(1, turn, now: at(20) + (-1)))
        #expect(takes(1, turn, now: at(20)))
        #expect((1...3).map { turn.beginning(of: $0) } == [at(20), at(21), at(22)])
        #expect(turn.beginning(of: 0) == at(23))
        #expect(!takes(0, turn, now: at(22)))
    }

    @Test("the rest leaves each worker a turn in a third of the time that rows may wait")
    func longest() {
        #expect(turn(after: 20).beginning(of: 1) == at(40))
    }

    @Test("on a slow database early transactions take half of the time at most")
    func slow() {
        #expect(turn(after: 300).beginning(of: 1) == at(600))
    }

    @Test("workers that always have rows have their turns one after the other")
    func turns() {
        for seed: UInt64 in 1...20 {
            var random = SeededRandom(seed: seed)
            let workers = Int.random(in: 1...64, using: &random)
            let wait = Int64.random(in: 1...60_000, using: &random) * millisecond
            var turn = EarlyTurn(workers: workers, waitNanoseconds: wait)
            var now = MonotonicTime.at(0)
            var taken: [Int] = []
            for _ in 0..<(4 * workers) {
                let worker = (0..<workers).min {
                    (turn.beginning(of: $0) ?? .never) < (turn.beginning(of: $1) ?? .never)
                }
                guard let worker, let beginning = turn.beginning(of: worker) else { break }
                now = max(now, beginning)
                let isTaken = turn.take(worker, now: now)
                #expect(isTaken, "seed \(seed)")
                taken.append(worker)
                now += Int64.random(in: 1...50, using: &random) * millisecond
                turn.end(worker, now: now)
            }
            #expect(taken == (0..<(4 * workers)).map { $0 % workers }, "seed \(seed)")
        }
    }

    @Test("a turn of no workers is a bug")
    func trapsNoWorkers() async {
        await #expect(processExitsWith: .failure) {
            _ = EarlyTurn(workers: 0, waitNanoseconds: 1)
        }
    }
}
