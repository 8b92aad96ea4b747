import Foundation
import Primitives
import Seeds
import TestSupport
import Testing

/// Every value that TWS sent is on the tape exactly once, or inside a recorded gap, whatever fault
/// occurs.
///
/// `BROKER_SECONDS=600` is the complete run, with a fault every 10 s; `TAPELINE_SEED=7` selects its
/// schedule.
@Suite("The broker's values, with a fault every few seconds")
struct BrokerRunTests {
    private static func number(_ name: String) -> Int? {
        ProcessInfo.processInfo.environment[name].flatMap { Int($0) }
    }

    private static let seconds = number("BROKER_SECONDS") ?? (Seeds.tier == .night ? 280 : 14)
    private static let isLong = seconds > 60
    private static let interval = number("BROKER_INTERVAL") ?? (isLong ? 10_000 : 3_500)
    private static let seed = Seeds.one()

    @Test("each value is on the tape once, or in a gap")
    func run() throws {
        let schedule = BrokerSchedule(
            seed: Self.seed, count: Self.seconds * 1_000 / Self.interval,
            without: Self.isLong ? [] : [.silentFeed])
        print(schedule)
        let stage = try BrokerStage(
            "brkrun", seed: Self.seed, ["IBKR_SILENT_AFTER": Self.isLong ? "8s" : "60s"])
        stage.expectAllFeeds("at the start")
        let atStart = stage.gateway.residentBytes ?? 0
        let begin = ContinuousClock.now
        for (index, fault) in schedule.faults.enumerated() {
            let lasts = fault == .silentFeed ? Self.interval * 9 / 10 : Self.interval / 3
            if Self.isLong { print("\(index): \(fault.rawValue)") }
            try stage.perform(fault, milliseconds: lasts)
            let end = begin + .milliseconds((index + 1) * Self.interval)
            let left = ContinuousClock.now.duration(to: end)
            stage.pass(milliseconds: Int(left / .milliseconds(1)))
        }
        stage.expectAllFeeds("at the end")
        // Pacing may make gaps wait for long, but they are on record all the same.
        _ = eventually(within: Self.isLong ? 60 : 20) {
            stage.gateway.connection?["waiting_backfills"]?.int == 0
        }
        let atEnd = stage.gateway.residentBytes ?? 0
        try stage.settleAndStop()
        let findings = try stage.audit()
        print(findings.summary)
        print("  resident: \(atStart >> 10) KiB at the start, \(atEnd >> 10) KiB at the end")
        #expect(
            findings.problems.isEmpty,
            "\(schedule)\n\(findings.problems.prefix(40).joined(separator: "\n"))")
        #expect(findings.tape.live.values.reduce(0) { $0 + $1.count } > 1_000)
        #expect(findings.tape.gaps.contains { $0.isEnded })
        #expect(!findings.tape.fetched.isEmpty)
    }
}
