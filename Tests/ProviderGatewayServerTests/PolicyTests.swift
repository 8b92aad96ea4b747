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
    private func leftOut(_ running: RunningService, _ kind: String) -> Double {
        running.synthetic("mds_gateway_left_out_ticks_total", "kind=\"\(kind)\",")
    }

    @Test("the last quote of each symbol gets through while it is pressed, and at the end of that")
    func lastQuotes() throws {
        let tape = try TestTape.shared("pollast")
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
        #expect(try eventually { try wanted.isSubset(of: Set(SourceOnTape(tape).all)) })
        #expect(try gateway.status["policies_act"]?.bool == true)
        #expect(leftOut(running, "quote") > 1_000 && leftOut(running, "trade") == 0)
        #expect(try running.stop() == .success)
        try tape.expectSound()
        let market = SyntheticMarket(try gateway.settings.market)
        let audit = try MarketAudit(
            AuditedMarket(gateway.settings.market), tape, source: gateway.settings.source)
        let origin = try #require(audit.origin)
        // Up to the first tick that was never made, as the watermark continues.
        let report = audit.report(from: origin, to: market.time(ofTick: 6_000, origin: origin))
        #expect(report.isRight && report.made == 6_000, "\(report)")
        #expect(Double(report.inGaps) == leftOut(running, "quote"))
    }

    @Test("stopped while it is pressed: what waits is put on the tape before the end")
    func stoppedWhilePressed() throws {
        let tape = try TestTape.shared("polstop")
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
        try tape.expectRight(gateway.settings)
    }

    @Test("conflated quotes and a market that is made again do not go together")
    func conflateAgain() throws {
        let tape = try TestTape.shared("polagain")
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
        let tape = try TestTape.shared("pol3")
        let gateway = try TestGateway(
            tape,
            [
                "SYNTHETIC_RATE": "5000", "SYNTHETIC_MISSED": "lost",
                "GATEWAY_POLICY_QUOTES": "drop", "GATEWAY_POLICY_TRADES": "drop",
            ])
        let running = try gateway.start()
        #expect(try eventually { try tape.ticks() >= 1_000 })
        gateway.group.pause()
        #expect(eventually { leftOut(running, "trade") > 2_000 })
        gateway.group.resume()
        try tape.expectMore(9_000)
        #expect(try running.stop() == .success)
        try tape.expectRight(gateway.settings) { $0.inGaps > 2_000 }
    }

    @Test("killed while it leaves out: what is not on record lies in the successor's gap")
    func killed() throws {
        let tape = try TestTape.shared("pol4")
        for (turn, missed) in ["lost", "again", "lost"].enumerated() {
            let gateway = try TestGateway(
                tape,
                [
                    "SYNTHETIC_RATE": "2000", "SYNTHETIC_MISSED": missed,
                    "GATEWAY_POLICY_QUOTES": "drop",
                ])
            gateway.group.take(epoch: UInt64(turn + 1))
            let running = try gateway.standBy()
            gateway.isLow.set(true)
            #expect(eventually { leftOut(running, "quote") > 2_000 })
            gateway.group.drop()
            #expect(try running.stop() == .success)
        }
        let last = try TestGateway(tape, ["SYNTHETIC_RATE": "2000"])
        let running = try last.start(epoch: 9)
        try tape.expectMore(500)
        #expect(try running.stop() == .success)
        try tape.expectRight(last.settings) { $0.inGaps > 0 }
    }

    @Test("a spool that is full: trades wait, quotes are left out, and it all comes in the end")
    func spoolFull() throws {
        let tape = try TestTape.shared("pol6")
        let folder = try TemporaryFolder()
        let gateway = try TestGateway(
            tape,
            [
                "SYNTHETIC_RATE": "10000", "SYNTHETIC_MISSED": "lost",
                "GATEWAY_SPOOL": folder.file("spool"), "GATEWAY_SPOOL_BYTES": "1MiB",
                "GATEWAY_POLICY_QUOTES": "drop", "GATEWAY_POLICY_TRADES": "drop",
            ])
        let running = try gateway.start()
        #expect(try eventually { try tape.ticks() >= 1_000 })
        gateway.group.pause()
        #expect(eventually { leftOut(running, "quote") > 3_000 })
        running.expect("gateway.spool.begun")
        #expect((try gateway.status["spool"]?["bytes"]?.int ?? 0) < 1_048_576)
        gateway.group.resume()
        #expect(eventually { running.log.count(of: "gateway.spool.drained") >= 1 })
        try tape.expectMore(2_000)
        #expect(try running.stop() == .success)
        try tape.expectRight(gateway.settings) { $0.inGaps > 3_000 }
    }
}
