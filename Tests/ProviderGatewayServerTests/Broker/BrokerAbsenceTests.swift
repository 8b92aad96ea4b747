import Foundation
import Primitives
import TestSupport
import Testing

/// TWS is absent, comes, and goes again. No person has to do anything, and the gateway's memory
/// does not grow. By hand: `BROKER_ABSENT=600 BROKER_RESTARTS=20`.
@Suite("TWS comes late and goes again")
struct BrokerAbsenceTests {
    private static func number(_ name: String, _ usual: Int) -> Int {
        ProcessInfo.processInfo.environment[name].flatMap { Int($0) } ?? usual
    }

    private static let absent = number("BROKER_ABSENT", 1)
    private static let restarts = number("BROKER_RESTARTS", 1)
    /// The growth that the allocator may cause after all reused memory has been used once.
    private static let growthMax = 12 << 20

    private func text(_ samples: [Int]) -> String {
        samples.map { "\($0 >> 10)" }.joined(separator: " ") + " KiB"
    }

    @Test("it comes by itself whenever TWS does, and its memory is flat")
    func absence() throws {
        let stage = try BrokerStage("brkaway", seed: 12, rate: 200, isThere: false)
        #expect(
            eventually {
                let connection = stage.gateway.connection
                return connection?["state"]?.string == "closed"
                    && connection?["reason"]?.string?.isEmpty == false
            }, "\(stage.gateway.missingFeeds)")
        var away = [stage.gateway.residentBytes ?? 0]
        for _ in 0..<Self.absent {
            stage.pass(milliseconds: 1_000)
            away.append(stage.gateway.residentBytes ?? 0)
        }
        let failures = stage.gateway.connection?["failed_attempts"]?.int ?? 0
        try stage.broker.start()
        stage.expectAllFeeds("when TWS comes")
        var samples = [stage.gateway.residentBytes ?? 0]
        for restart in 0..<Self.restarts {
            stage.broker.crash()
            #expect(
                eventually { stage.gateway.connection?["state"]?.string != "ready" },
                "\(stage.gateway.missingFeeds)")
            try stage.broker.start()
            stage.expectAllFeeds("after restart \(restart + 1)")
            samples.append(stage.gateway.residentBytes ?? 0)
        }
        try stage.settleAndStop()
        let findings = try stage.audit()
        let every = max(1, away.count / 12)
        let shown = away.enumerated().filter { $0.offset % every == 0 }.map(\.element)
        print("resident while TWS is away: \(text(shown))")
        print("resident at each start of TWS: \(text(samples))\n\(findings.summary)")
        #expect((away.last ?? 0) - (away.first ?? 0) < Self.growthMax, "\(away)")
        // The first connection fills the buffers.
        let later = samples.dropFirst()
        #expect((later.last ?? 0) - (later.first ?? 0) < Self.growthMax, "\(samples)")
        // Attempts are one or two seconds apart. In the broker's daily hour of resets, failed
        // attempts are not counted.
        if failures >= 60 {
            let alarm = stage.gateway.events.first { event in
                event["event"]?.string == "ibkr.failed" && event["level"]?.string == "error"
            }
            #expect(alarm != nil, "nobody was told that TWS is away")
        }
        #expect(
            findings.problems.isEmpty, "\(findings.problems.prefix(20).joined(separator: "\n"))")
    }
}
