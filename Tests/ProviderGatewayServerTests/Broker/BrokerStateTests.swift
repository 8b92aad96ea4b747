import MarketModel
import Primitives
import TestSupport
import Testing

/// The states in which a connection to TWS delivers nothing, each on a real gateway: its reaction,
/// status, counters and gap records.
@Suite("Each state of the broker's connection, end to end")
struct BrokerStateTests {
    private struct Outage {
        let state: String
        let begin: [String]
        var end: [String] = []
        /// The detail in the gap record.
        let detail: String
        /// Whether the gateway connects again, and whether it requests the feeds again.
        var reconnects = false
        var resubscribes = false
    }

    private static let outages = [
        Outage(
            state: "closed", begin: ["byte-at-a-time on", "half-frame"],
            end: ["byte-at-a-time off"], detail: "connection lost", reconnects: true,
            resubscribes: true),
        Outage(
            state: "closed", begin: ["garbage 64"], detail: "connection lost", reconnects: true,
            resubscribes: true),
        Outage(state: "server-lost", begin: ["lost"], end: ["restored keep"], detail: "(1100)"),
        Outage(
            state: "server-lost", begin: ["lost"], end: ["restored lose"], detail: "(1100)",
            resubscribes: true),
        Outage(
            state: "farm-down", begin: ["farm market down"], end: ["farm market up"],
            detail: "(2103)"),
        Outage(
            state: "silent", begin: ["stop IWM"], end: ["start IWM"],
            detail: "nothing came for 8 s", resubscribes: true),
        Outage(
            state: "competing", begin: ["competing IWM on"], end: ["competing IWM off"],
            detail: "(10197)"),
        Outage(
            state: "closed", begin: ["nightly-reset 2"], detail: "connection lost",
            reconnects: true, resubscribes: true),
    ]

    private static let watched = "IWM"
    private static let silentAfter = Duration.seconds(8)

    private func starts(_ tape: BrokerTape) -> Int {
        tape.subscriptions.count {
            $0.symbol == Self.watched && $0.kind == DataKind.trade.rawValue
                && $0.action == SubscriptionAction.start.rawValue
        }
    }

    private func gaps(_ tape: BrokerTape, _ detail: String) -> [BrokerTape.Gap] {
        tape.gaps.filter { gap in
            gap.symbol == Self.watched && gap.kind == DataKind.trade.rawValue
                && gap.details.contains { $0.contains(detail) }
        }
    }

    /// Lets an outage happen, and expects its state, its gaps, and that all feeds return.
    private func expectRecovery(
        _ outage: Outage, _ stage: BrokerStage, _ tape: inout BrokerTape
    ) throws {
        let gateway = stage.gateway
        try tape.readOn(stage.tape)
        let (gapsBefore, startsBefore) = (gaps(tape, outage.detail).count, starts(tape))
        let connections = gateway.metric("mds_ibkr_connections_total") ?? 0
        let begin = ContinuousClock.now
        for command in outage.begin { stage.order(command) }
        #expect(
            eventually { gateway.connection?["state"]?.string == outage.state },
            "\(outage): \(gateway.missingFeeds)")
        #expect(
            eventually {
                gateway.metric("mds_ibkr_state{", "state=\"\(outage.state)\"") == 1
            }, "\(outage)")
        let told = gateway.events.last {
            $0["event"]?.string == "ibkr.state" && $0["state"]?.string == outage.state
        }
        #expect(told?["level"]?.string == "warning", "\(outage)")
        #expect(
            try eventually {
                try tape.readOn(stage.tape)
                return gaps(tape, outage.detail).count > gapsBefore
            }, "\(outage): no gap on record")
        for command in outage.end { stage.order(command) }
        let lasted = begin.duration(to: .now)
        stage.expectAllFeeds("\(outage)")
        #expect(
            try eventually {
                try tape.readOn(stage.tape)
                return gaps(tape, outage.detail).allSatisfy(\.isEnded)
            }, "\(outage): its gap does not end")
        var now = 0.0
        #expect(
            eventually {
                now = gateway.metric("mds_ibkr_connections_total") ?? 0
                return now - connections == (outage.reconnects ? 1 : 0)
            }, "\(outage): \(connections) connections before, \(now) after it")
        // On a busy machine an outage may last so long that the gateway does not trust the feed
        // after it.
        guard outage.resubscribes || lasted < Self.silentAfter / 2 else { return }
        #expect(starts(tape) - startsBefore == (outage.resubscribes ? 1 : 0), "\(outage)")
    }

    @Test("closed, without the broker's servers, without a farm, silent, competing, reset at night")
    func states() throws {
        let stage = try BrokerStage(
            "brkstates", seed: 11, rate: 60, symbols: [Self.watched, "DIA", "XLE"],
            ["IBKR_SILENT_AFTER": "8s"])
        stage.expectAllFeeds("at the start")
        var tape = BrokerTape()
        for outage in Self.outages { try expectRecovery(outage, stage, &tape) }
        try stage.settleAndStop()
        let findings = try stage.audit(symbols: [Self.watched, "DIA", "XLE"])
        #expect(
            findings.problems.isEmpty, "\(findings.problems.prefix(20).joined(separator: "\n"))")
        print(findings.summary)
    }
}
