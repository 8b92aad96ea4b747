import Primitives
import ServiceTestSupport
import Testing

@testable import StoreWriter

@Suite("How long rows wait for others")
struct BatchWaitTests {
    private static let millisecond: Int64 = 1_000_000

    private func at(_ milliseconds: Int64) -> MonotonicTime { .at(milliseconds * Self.millisecond) }

    /// Returns the rule after a transaction that took this long and ended at 1 s.
    private func rule(
        _ aim: BatchWait.Aim, after milliseconds: Int64, longest: Int64 = 250
    ) -> BatchWait {
        var wait = BatchWait(aim, longest: longest * Self.millisecond)
        wait.wrote(from: at(1_000 - milliseconds), to: at(1_000))
        return wait
    }

    @Test(
        "frugal: rows wait 70 ms, and for the session's rest, and never longer than they may",
        arguments: [
            (spent: 0, longest: 250, wait: 70), (spent: 4, longest: 250, wait: 70),
            (spent: 71, longest: 250, wait: 70), (spent: 72, longest: 250, wait: 71),
            (spent: 100, longest: 250, wait: 99), (spent: 250, longest: 250, wait: 249),
            (spent: 251, longest: 250, wait: 249), (spent: 90_000, longest: 250, wait: 249),
            (spent: 4, longest: 20, wait: 20), (spent: 300, longest: 60_000, wait: 299),
            (spent: 90_000, longest: 60_000, wait: 59_999), (spent: -5, longest: 250, wait: 70),
        ] as [(spent: Int64, longest: Int64, wait: Int64)])
    func frugal(spent: Int64, longest: Int64, wait: Int64) {
        #expect(rule(.frugal, after: spent, longest: longest).due(at(1_001)) == at(1_001 + wait))
    }

    @Test(
        "quick: transactions begin 15 ms apart, and after the session's rest",
        arguments: [
            (spent: 0, longest: 250, wait: 14), (spent: 4, longest: 250, wait: 10),
            (spent: 7, longest: 250, wait: 7), (spent: 8, longest: 250, wait: 7),
            (spent: 100, longest: 250, wait: 99), (spent: 90_000, longest: 250, wait: 249),
            (spent: 0, longest: 5, wait: 5), (spent: -5, longest: 250, wait: 19),
        ] as [(spent: Int64, longest: Int64, wait: Int64)])
    func quick(spent: Int64, longest: Int64, wait: Int64) {
        let rule = rule(.quick, after: spent, longest: longest)
        #expect(rule.due(at(1_001)) == at(1_001 + wait))
    }

    @Test("quick: a row that comes later is written immediately")
    func single() {
        let rule = rule(.quick, after: 4)
        #expect(rule.due(at(1_010)) == at(1_011))
        #expect(rule.due(at(1_011)) == at(1_011))
        #expect(rule.due(at(1_200)) == at(1_200))
    }

    @Test("a fast transaction after a slow one makes the wait short again")
    func recovers() {
        var rule = rule(.frugal, after: 200)
        #expect(rule.due(at(1_001)) == at(1_200))
        rule.wrote(from: at(1_200), to: at(1_204))
        #expect(rule.due(at(1_205)) == at(1_275))
    }

    @Test("the first row after a rest as long as rows may wait is written immediately")
    func rest() {
        #expect(BatchWait(.frugal, longest: 1).due(at(0)) == at(0))
        let rule = rule(.frugal, after: 4)
        // It came while the transaction was running.
        #expect(rule.due(at(999)) == at(1_069))
        #expect(rule.due(at(1_249)) == at(1_319))
        #expect(rule.due(at(1_250)) == at(1_250))
    }

    @Test("no time to wait is a bug")
    func trapsNoTime() async {
        await #expect(processExitsWith: .failure) { _ = BatchWait(.frugal, longest: 0) }
    }

    @Test("few rows are stored soon and with few commits, and many rows cost no throughput")
    func loads() {
        for aim in BatchWait.Aim.allCases {
            for rate in [1, 10, 100, 1_000, 4_000, 10_000, 30_000, 100_000] as [Int64] {
                for commit in [2, 10, 30, 80, 200] as [Int64] { load(aim, rate, commit) }
            }
        }
    }

    /// `rate` is in rows per second, `commit` the milliseconds of an empty transaction.
    private func load(_ aim: BatchWait.Aim, _ rate: Int64, _ commit: Int64) {
        let with = WriterLoad(rate: rate, commitMilliseconds: commit, aim: aim)
        let without = WriterLoad(rate: rate, commitMilliseconds: commit, aim: nil)
        let shown: Comment = "\(aim), \(rate)/s, \(commit) ms: \(with) instead of \(without)"
        // As many rows, but for those of the batches that are open at the end.
        #expect(with.written >= without.written - 4 * without.rowsMax, shown)
        // A session rests for half of the time, or its batches are full, or rows have waited as
        // long as they may.
        #expect(
            with.commits <= max(without.commits * 11 / 10, WriterLoad.commitsMax(aim, commit)),
            shown)
        guard with.isKeepingUp else { return }
        let wait: Int64 = min(
            250 * Self.millisecond, max(WriterLoad.least(aim), 2 * with.transactionMax))
        let oldest: Int64 = wait + 2 * with.transactionMax
        #expect(with.ageMax <= oldest + 2 * Self.millisecond, shown)
        #expect(with.ageMean <= without.ageMean + Self.millisecond, shown)
    }

    @Test("a stall of the database ends in larger batches, and the waits are short again after it")
    func stall() {
        let stalled = WriterLoad(rate: 4_000, commitMilliseconds: 4, aim: .frugal) {
            $0 > .at(2_000_000_000) && $0 < .at(2_100_000_000) ? 1_000_000_000 : 0
        }
        let smooth = WriterLoad(rate: 4_000, commitMilliseconds: 4, aim: .frugal)
        #expect(stalled.written >= smooth.written - 4 * smooth.rowsMax, "\(stalled) \(smooth)")
        #expect(stalled.commits < smooth.commits, "\(stalled) \(smooth)")
        #expect(stalled.rowsMax >= 900 && smooth.rowsMax < 500, "\(stalled) \(smooth)")
        #expect(stalled.lastAge <= smooth.ageMax, "\(stalled) \(smooth)")
    }
}

/// Four workers whose rows come evenly, for ten seconds, each with its session.
private struct WriterLoad: CustomStringConvertible {
    private static let workers: Int64 = 4
    private static let stepNanoseconds: Int64 = 500_000
    private static let longest: Int64 = 250_000_000
    private static let seconds: Int64 = 10

    private struct Worker {
        /// The rows that wait, and when the first of them came.
        var rows: Int64 = 0
        var since = MonotonicTime.at(0)
        /// Until when its session writes, and since when; when the batch's first row came.
        var busyUntil = MonotonicTime.at(0)
        var writing: (since: MonotonicTime, oldest: MonotonicTime)?
        /// `nil`: rows wait as long as they may.
        var wait: BatchWait?
    }

    private(set) var written: Int64 = 0
    private(set) var commits: Int64 = 0
    /// The rows of the largest batch.
    private(set) var rowsMax: Int64 = 0
    /// From the first row of a batch to its commit: the longest, the sum of all, and the last.
    private(set) var ageMax: Int64 = 0
    private var ages: Int64 = 0
    private(set) var lastAge: Int64 = 0
    /// The longest transaction.
    private(set) var transactionMax: Int64 = 0
    private var all: [Worker]
    private let commitNanoseconds: Int64
    private let extra: (MonotonicTime) -> Int64

    var ageMean: Int64 { ages / max(1, commits) }
    /// Whether the sessions write all rows that come, without larger and larger batches.
    var isKeepingUp: Bool { rowsMax <= 2_000 }
    var description: String {
        "\(written) rows in \(commits) commits of up to \(rowsMax), age \(ageMean) to \(ageMax) ns"
    }

    /// The most commits of workers that always have rows, and never enough: those that come while
    /// a transaction is running wait from then on.
    static func commitsMax(_ aim: BatchWait.Aim, _ commitMilliseconds: Int64) -> Int64 {
        let wait: Int64 = min(longest, max(least(aim), 2_000_000 * commitMilliseconds))
        let each: Int64 = seconds * 1_000_000_000 / wait
        return workers * (each + 1)
    }

    /// From one commit of a fast session to the next, at least.
    static func least(_ aim: BatchWait.Aim) -> Int64 {
        switch aim {
        case .frugal: BatchWait.frugalNanoseconds
        case .quick: BatchWait.quickNanoseconds
        }
    }

    /// `extra` is what a transaction that begins at a time takes longer. A row takes 10 us.
    init(
        rate: Int64, commitMilliseconds: Int64, aim: BatchWait.Aim?,
        extra: @escaping (MonotonicTime) -> Int64 = { _ in 0 }
    ) {
        let wait = aim.map { BatchWait($0, longest: Self.longest) }
        all = [Worker](repeating: Worker(wait: wait), count: Int(Self.workers))
        self.extra = extra
        commitNanoseconds = commitMilliseconds * 1_000_000
        var now = MonotonicTime.at(0)
        var come: Int64 = 0
        let steps: Int64 = Self.seconds * 1_000_000_000 / Self.stepNanoseconds
        for step in 1...steps {
            now += Self.stepNanoseconds
            let due: Int64 = rate * step * Self.stepNanoseconds / 1_000_000_000
            while come < due {
                let worker = Int(come % Self.workers)
                if all[worker].rows == 0 { all[worker].since = now }
                all[worker].rows += 1
                come += 1
            }
            for worker in all.indices { act(worker, now) }
        }
    }

    private mutating func act(_ worker: Int, _ now: MonotonicTime) {
        guard now >= all[worker].busyUntil else { return }
        if let writing = all[worker].writing {
            all[worker].writing = nil
            all[worker].wait?.wrote(from: writing.since, to: now)
            commits += 1
            lastAge = now - writing.oldest
            ages += lastAge
            ageMax = max(ageMax, lastAge)
            transactionMax = max(transactionMax, now - writing.since)
        }
        let since = all[worker].since
        guard all[worker].rows > 0 else { return }
        let due = all[worker].wait?.due(since) ?? since + Self.longest
        guard all[worker].rows >= 500 || now >= due else { return }
        let rows = min(all[worker].rows, 20_000)
        all[worker].writing = (now, since)
        let spent: Int64 = commitNanoseconds + rows * 10_000
        all[worker].busyUntil = now + (spent + extra(now))
        written += rows
        rowsMax = max(rowsMax, rows)
        all[worker].rows -= rows
        all[worker].since = now
    }
}
