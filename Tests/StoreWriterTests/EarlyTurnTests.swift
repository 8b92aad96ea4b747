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

    @Test("a worker whose batches fill within the wait takes no turn while the next is expected")
    func full() {
        var turn = turn()
        turn.filled(0, now: at(1_000))
        #expect(takes(0, turn, now: at(1_000)))
        turn.filled(0, now: at(1_030))
        #expect(!takes(0, turn, now: at(1_089)) && takes(0, turn, now: at(1_090)))
        #expect(takes(1, turn, now: at(1_030)))
        // A burst once a second is not many rows: what is left of it is written soon.
        turn.filled(0, now: at(2_000))
        #expect(takes(0, turn, now: at(2_000)))
        turn.filled(0, now: at(2_002))
        #expect(!takes(0, turn, now: at(2_005)) && takes(0, turn, now: at(2_006)))
    }

    /// `rate` is in rows per second. A commit takes 4 ms and a row 20 us, so the database can write
    /// somewhat less than 50,000.
    @Test(
        "early batches cost no throughput when rows are many, and save time when they are few",
        arguments: [200, 2_000, 8_000, 16_000, 32_000, 40_000, 44_000, 60_000])
    func load(rate: Int64) {
        let with = WriterLoad(rate: rate, isEarly: true)
        let without = WriterLoad(rate: rate, isEarly: false)
        #expect(with.written >= without.written - 4 * 200, "\(with) \(without)")
        // A full batch every 250 ms for each worker is 3,200 rows a second.
        if rate <= 3_200 {
            #expect(with.waitMean < without.waitMean / 2, "\(with) \(without)")
        } else {
            // With more, turns come so rarely that batches fill between them.
            let most = rate < 16_000 ? without.commits * 5 / 4 : without.commits + 8
            #expect(with.commits <= most, "\(with) \(without)")
        }
    }

    @Test("a turn of no workers is a bug")
    func trapsNoWorkers() async {
        await #expect(processExitsWith: .failure) {
            _ = EarlyTurn(workers: 0, waitNanoseconds: 1)
        }
    }
}

/// Four workers whose rows come evenly, for ten seconds, with one database.
private struct WriterLoad {
    private static let workers = 4
    private static let stepNanoseconds: Int64 = 500_000
    private static let waitNanoseconds: Int64 = 250_000_000

    private struct Worker {
        /// The rows that wait, and when the first of them came.
        var rows: Int64 = 0
        var since = MonotonicTime.at(0)
        /// Until when its session writes, and whether by an early turn.
        var busyUntil = MonotonicTime.at(0)
        var isEarly = false
    }

    private(set) var written: Int64 = 0
    private(set) var commits = 0
    private var waited: Int64 = 0
    private var all = [Worker](repeating: Worker(), count: Self.workers)
    private var turn = EarlyTurn(workers: Self.workers, waitNanoseconds: Self.waitNanoseconds)
    private var databaseFree = MonotonicTime.at(0)
    private let isEarly: Bool

    /// How long the first row of a batch waited, on average.
    var waitMean: Int64 { waited / Int64(max(1, commits)) }

    init(rate: Int64, isEarly: Bool) {
        self.isEarly = isEarly
        var now = MonotonicTime.at(0)
        var come: Int64 = 0
        for step in 1...Int64(20_000) {
            now += Self.stepNanoseconds
            let due = rate * step * Self.stepNanoseconds / 1_000_000_000
            while come < due {
                let worker = Int(come) % Self.workers
                if all[worker].rows == 0 { all[worker].since = now }
                all[worker].rows += 1
                come += 1
            }
            for worker in all.indices { act(worker, now) }
        }
    }

    private mutating func act(_ worker: Int, _ now: MonotonicTime) {
        guard now >= all[worker].busyUntil else { return }
        if all[worker].isEarly {
            all[worker].isEarly = false
            turn.end(worker, now: now)
        }
        guard all[worker].rows > 0 else { return }
        if all[worker].rows >= 200 {
            turn.filled(worker, now: now)
        } else if now < all[worker].since + Self.waitNanoseconds {
            guard isEarly, turn.take(worker, now: now) else { return }
            all[worker].isEarly = true
        }
        let rows = min(all[worker].rows, 20_000)
        databaseFree = max(databaseFree, now) + (4_000_000 + rows * 20_000)
        all[worker].busyUntil = databaseFree
        waited += now - all[worker].since
        written += rows
        commits += 1
        all[worker].rows -= rows
        all[worker].since = now
    }
}
