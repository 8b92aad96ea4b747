import MarketModel
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import ProviderGateway

@Suite("The gateway with little room")
struct PolicyTests {
    private func tape(_ namespace: String) throws -> TestTape {
        try TestTape(NatsServer.shared(), namespace: namespace)
    }

    private func source() throws -> SourceName { try #require(SourceName("synthetic")) }

    private func leftOut(_ running: RunningService, _ kind: String) -> Double {
        running.service.metric(
            "mds_gateway_left_out_ticks_total{kind=\"\(kind)\",source=\"synthetic\"}") ?? 0
    }

    @Test(
        "on a tape that is nearly full, quotes are left out and put on record, trades stay",
        arguments: ["drop", "conflate"])
    func quotes(policy: String) throws {
        let tape = try tape("pol\(policy)")
        let gateway = try TestGateway(
            tape,
            [
                "SYNTHETIC_RATE": "2000", "SYNTHETIC_MISSED": "lost",
                "GATEWAY_POLICY_QUOTES": policy,
            ])
        let running = try gateway.start()
        for turn in 1...2 {
            let before = try tape.tickCount(source: source())
            #expect(
                try eventually {
                    try tape.tickCount(source: source()) >= before + 1_000
                })
            gateway.isLow.set(true)
            #expect(eventually { leftOut(running, "quote") > Double(turn) * 1_500 })
            #expect(try gateway.status["policies_act"] == .bool(true))
            gateway.isLow.set(false)
            #expect(
                eventually {
                    running.log.count(of: "gateway.backpressure") == 2 * turn
                })
        }
        let before = try tape.tickCount(source: source())
        #expect(
            try eventually { try tape.tickCount(source: source()) >= before + 1_000 })
        #expect(leftOut(running, "trade") == 0)
        let quotes = leftOut(running, "quote")
        #expect(try running.stop() == .success)
        let report = try TapeAudit.report(tape, gateway.settings)
        #expect(report.isRight && Double(report.inGaps) == quotes, "\(report), \(quotes)")
        let found = try SourceOnTape(tape)
        #expect(found.problems.isEmpty, "\(found.problems.prefix(5))")
    }

    @Test("the last quote of each symbol gets through while it is pressed, and at the end of that")
    func lastQuotes() throws {
        let tape = try tape("pollast")
        let gateway = try TestGateway(
            tape,
            [
                "SYNTHETIC_RATE": "2000", "SYNTHETIC_MISSED": "lost", "SYNTHETIC_TICKS": "6000",
                "GATEWAY_POLICY_QUOTES": "conflate",
            ])
        gateway.isLow.set(true)
        let running = try gateway.start()
        #expect(try eventually { try gateway.status["finished"]?.bool == true })
        // No more ticks follow: the quotes that wait are the end of the burst.
        let wanted = try lastQuotes(gateway, ticks: 6_000)
        #expect(
            try eventually {
                try wanted.isSubset(of: Set(SourceOnTape(tape).all))
            })
        #expect(try gateway.status["policies_act"]?.bool == true)
        #expect(leftOut(running, "quote") > 1_000 && leftOut(running, "trade") == 0)
        #expect(try running.stop() == .success)
        let found = try SourceOnTape(tape)
        #expect(found.problems.isEmpty, "\(found.problems.prefix(5))")
        let market = SyntheticMarket(try gateway.settings.market)
        let audit = try MarketAudit(
            AuditedMarket(gateway.settings.market), tape, source: source())
        let origin = try #require(audit.origin)
        // Up to the first tick that was never made, as the watermark continues.
        let report = audit.report(
            from: origin, to: market.time(ofTick: 6_000, origin: origin))
        #expect(report.isRight && report.made == 6_000, "\(report)")
        #expect(Double(report.inGaps) == leftOut(running, "quote"))
    }

    @Test("stopped while it is pressed: what waits is put on the tape before the end")
    func stoppedWhilePressed() throws {
        let tape = try tape("polstop")
        let gateway = try TestGateway(
            tape,
            [
                "SYNTHETIC_RATE": "2000", "SYNTHETIC_MISSED": "lost",
                "GATEWAY_POLICY_QUOTES": "conflate",
            ])
        gateway.isLow.set(true)
        let running = try gateway.start()
        #expect(eventually { leftOut(running, "quote") > 2_000 })
        #expect(try running.stop() == .success)
        let onTape = try SourceOnTape(tape).all
        let made = UInt64(onTape.count) + UInt64(leftOut(running, "quote"))
        let wanted = try lastQuotes(gateway, ticks: made)
        #expect(made > 2_000 && wanted.isSubset(of: Set(onTape)))
        let report = try TapeAudit.report(tape, gateway.settings)
        #expect(report.isRight, "\(report)")
    }

    @Test("conflated quotes and a market that is made again do not go together")
    func conflateAgain() throws {
        let tape = try tape("polagain")
        let error = #expect(throws: ServiceRefused.self) {
            _ = try TestGateway(tape, ["GATEWAY_POLICY_QUOTES": "conflate"])
        }
        #expect(error?.description.contains("set SYNTHETIC_MISSED=lost") == true)
    }

    /// Returns the number of each symbol's last quote among `ticks` ticks.
    private func lastQuotes(_ gateway: TestGateway, ticks: UInt64) throws -> Set<UInt64> {
        let market = SyntheticMarket(try gateway.settings.market)
        var last: [Int: UInt64] = [:]
        for index in 0..<ticks where !market.isTrade(tick: index) {
            last[market.symbol(ofTick: index)] = index
        }
        return Set(last.values)
    }

    @Test("with neither room nor a wish to wait everything is left out, and put on record later")
    func dropsAll() throws {
        let tape = try tape("pol3")
        let gateway = try TestGateway(
            tape,
            [
                "SYNTHETIC_RATE": "5000", "SYNTHETIC_MISSED": "lost",
                "GATEWAY_POLICY_QUOTES": "drop", "GATEWAY_POLICY_TRADES": "drop",
            ])
        let running = try gateway.start()
        #expect(
            try eventually { try tape.tickCount(source: source()) >= 1_000 })
        gateway.group.pause()
        #expect(eventually { leftOut(running, "trade") > 2_000 })
        gateway.group.goOn()
        let before = try tape.tickCount(source: source())
        #expect(
            try eventually { try tape.tickCount(source: source()) >= before + 9_000 })
        #expect(try running.stop() == .success)
        let report = try TapeAudit.report(tape, gateway.settings)
        #expect(report.isRight && report.inGaps > 2_000, "\(report)")
    }

    @Test("killed while it leaves out: what is not on record lies in the successor's gap")
    func killed() throws {
        let tape = try tape("pol4")
        var turns = 0
        for missed in ["lost", "again", "lost"] {
            turns += 1
            let gateway = try TestGateway(
                tape,
                [
                    "SYNTHETIC_RATE": "2000", "SYNTHETIC_MISSED": missed,
                    "GATEWAY_POLICY_QUOTES": "drop",
                ])
            gateway.group.take(epoch: UInt64(turns))
            let running = try gateway.standBy()
            gateway.isLow.set(true)
            #expect(eventually { leftOut(running, "quote") > 2_000 })
            gateway.group.drop()
            #expect(try running.stop() == .success)
        }
        let last = try TestGateway(tape, ["SYNTHETIC_RATE": "2000"])
        last.group.take(epoch: 9)
        let running = try last.standBy()
        #expect(eventually { running.log.count(of: "gateway.started") == 1 })
        let before = try tape.tickCount(source: source())
        #expect(
            try eventually { try tape.tickCount(source: source()) >= before + 500 })
        #expect(try running.stop() == .success)
        let report = try TapeAudit.report(tape, last.settings)
        #expect(report.isRight && report.inGaps > 0, "\(report)")
    }

    @Test("the policy 'error' ends the service")
    func error() throws {
        let tape = try tape("pol5")
        let gateway = try TestGateway(
            tape, ["SYNTHETIC_RATE": "1000", "GATEWAY_POLICY_TRADES": "error"])
        let running = try gateway.start()
        #expect(
            try eventually { try tape.tickCount(source: source()) >= 100 })
        gateway.isLow.set(true)
        #expect(try running.exitCode() == .failure)
        #expect(running.log.count(of: "gateway.backpressure.error") == 1)
    }

    @Test("a spool that is full: trades wait, quotes are left out, and it all comes in the end")
    func spoolFull() throws {
        let tape = try tape("pol6")
        let folder = try TemporaryFolder()
        let gateway = try TestGateway(
            tape,
            [
                "SYNTHETIC_RATE": "10000", "SYNTHETIC_MISSED": "lost",
                "GATEWAY_SPOOL": folder.file("spool"), "GATEWAY_SPOOL_BYTES": "1MiB",
                "GATEWAY_POLICY_QUOTES": "drop", "GATEWAY_POLICY_TRADES": "drop",
            ])
        let running = try gateway.start()
        #expect(
            try eventually { try tape.tickCount(source: source()) >= 1_000 })
        gateway.group.pause()
        #expect(eventually { leftOut(running, "quote") > 3_000 })
        #expect(eventually { running.log.count(of: "gateway.spool.begun") == 1 })
        #expect((try gateway.status["spool"]?["bytes"]?.int ?? 0) < 1_048_576)
        gateway.group.goOn()
        #expect(
            eventually { running.log.count(of: "gateway.spool.drained") >= 1 })
        let before = try tape.tickCount(source: source())
        #expect(
            try eventually { try tape.tickCount(source: source()) >= before + 2_000 })
        #expect(try running.stop() == .success)
        let report = try TapeAudit.report(tape, gateway.settings)
        #expect(report.isRight && report.inGaps > 3_000, "\(report)")
    }
}
