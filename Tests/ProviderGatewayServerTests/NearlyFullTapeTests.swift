import MarketModel
import Primitives
import ServiceTestSupport
import TestSupport
import Testing

@testable import ProviderGateway

/// The complete loop of rate coordination, in which only the market is synthetic: the tape's
/// headroom is low, the policy of each kind of data acts, there is room again, and all continues.
@Suite("The shipped gateway on a tape that is nearly full", .serialized)
struct NearlyFullTapeTests {
    @Test("block: what the tape refuses goes into the spool, and all of it comes out again")
    func block() throws {
        let scene = try NearlyFullTape("fullblock", ["SYNTHETIC_RATE": "5000"])
        let gateway = try scene.start()
        #expect(eventually { gateway.isPressed }, "\(gateway.log)")
        #expect(gateway.metric("mds_tape_headroom_low") == 1)
        let spooled = { gateway.metric("mds_gateway_spool_ticks") ?? 0 }
        #expect(eventually { spooled() > 10_000 }, "\(gateway.log)")
        #expect(gateway.metric("mds_gateway_spool_capacity_bytes") ?? 0 > 1e6)
        try scene.unload()
        #expect(eventually { !gateway.isPressed && spooled() == 0 }, "\(gateway.log)")
        #expect(gateway.leftOut("quote") == 0 && gateway.leftOut("trade") == 0)
        #expect(gateway.stop() == 0, "\(gateway.log)")
        #expect(gateway.count(of: "gateway.backpressure") >= 2)
        let report = try scene.report()
        #expect(report.isRight && report.inGaps == 0 && report.onTape > 10_000, "\(report)")
    }

    @Test(
        "conflate and drop: quotes are left out and on record, trades stay",
        arguments: ["conflate", "drop"])
    func quotes(policy: String) throws {
        let scene = try NearlyFullTape(
            "full\(policy)", ["SYNTHETIC_RATE": "1000", "GATEWAY_POLICY_QUOTES": policy])
        let gateway = try scene.start()
        #expect(eventually { gateway.isPressed }, "\(gateway.log)")
        #expect(eventually { gateway.leftOut("quote") > 2_000 }, "\(gateway.log)")
        try scene.unload()
        #expect(eventually { !gateway.isPressed }, "\(gateway.log)")
        try scene.tape.expectMore(2_000)
        #expect(gateway.leftOut("trade") == 0)
        let leftOut = gateway.leftOut("quote")
        #expect(gateway.metric("mds_gateway_gap_records_total", "reason=\"dropped\"") ?? 0 > 0)
        #expect(gateway.stop() == 0, "\(gateway.log)")
        #expect(gateway.count(of: "gateway.backpressure") == 2, "\(gateway.log)")
        let report = try scene.report()
        #expect(report.isRight && Double(report.inGaps) == leftOut, "\(report), \(leftOut)")
        try scene.tape.expectSound()
    }

    @Test("error: the gateway ends and says what to do; nothing that it took is lost")
    func error() throws {
        let scene = try NearlyFullTape(
            "fullerror", ["SYNTHETIC_RATE": "1000", "GATEWAY_POLICY_TRADES": "error"])
        let gateway = try scene.start()
        #expect(eventually { !gateway.isRunning }, "\(gateway.log)")
        #expect(gateway.stop() == 1, "\(gateway.log)")
        #expect(gateway.count(of: "gateway.backpressure.error") == 1)
        let taken = try scene.count()
        try scene.unload()
        // A person has to start it again: the source continues after the last packets, and the rest
        // is a gap.
        let next = try scene.start()
        #expect(try eventually { try scene.count() >= taken + 1_000 }, "\(next.log)")
        #expect(next.stop() == 0, "\(next.log)")
        let report = try scene.report()
        #expect(report.isRight && report.inGaps > 0, "\(report)")
    }
}
