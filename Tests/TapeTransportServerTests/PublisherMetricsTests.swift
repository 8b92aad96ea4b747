import Primitives
import ServiceRuntime
import TestSupport
import Testing

@testable import TapeTransport

@Suite struct PublisherMetricsTests {
    @Test("the latency of acknowledgements counts from the publish, of markers, too")
    func markerLatency() throws {
        let started = SystemClock().monotonic()
        let rig = try TapeServer().openRig()
        #expect(rig.run { rig.publisher.isReady(lane: 0) })
        #expect(rig.publishPackets(1, lane: 0))
        let page = rig.page
        let name = "mds_tape_ack_latency_seconds_sum "
        let line = try #require(page.split(separator: "\n").first { $0.hasPrefix(name) })
        let sum = try #require(Double(line.dropFirst(name.utf8.count)))
        let elapsed = SystemClock().monotonic() - started
        #expect(sum > 0 && sum <= Double(elapsed) / 1e9)
    }
}
