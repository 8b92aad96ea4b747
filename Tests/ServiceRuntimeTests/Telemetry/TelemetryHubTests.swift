import ServiceRuntime
import TestSupport
import Testing

extension ServiceEvent {
    fileprivate static func publishRefused(partition: Int) -> Self {
        Self(
            .warning, "gateway.publish.refused",
            "partition \(partition) refused a packet; retrying", ("partition", LogValue(partition))
        ) {
            $0.counter("mds_tries_total", "Tries.").add(2)
        }.counting("mds_publish_refused_total", "Refused packets.")
    }
}

private struct Plain: TelemetryEvent {
    static let name = "service.idle"
    let level = LogLevel.debug
    let message = "nothing to do"
}

@Suite struct TelemetryHubTests {
    let capture = CapturedLog()
    let metrics = MetricRegistry()

    func hub(_ level: LogLevel) -> TelemetryHub {
        TelemetryHub(
            logger: Logger(service: "s", level: level, format: .json, sink: capture.sink),
            metrics: metrics)
    }

    @Test("an event is one line and its counters")
    func emit() {
        hub(.info).emit(.publishRefused(partition: 3))
        #expect(
            capture.lines.first?.hasSuffix(
                #""level":"warning","service":"s","event":"gateway.publish.refused","message":"#
                    + #""partition 3 refused a packet; retrying","partition":3}"#) == true)
        #expect(metrics.counter("mds_publish_refused_total", "").value == 1)
        #expect(metrics.counter("mds_tries_total", "").value == 2)
    }

    @Test("what the level leaves out of the log is counted all the same")
    func countedSilently() {
        hub(.error).emit(.publishRefused(partition: 3))
        hub(.error).emit(Plain())
        #expect(capture.lines.isEmpty)
        #expect(metrics.counter("mds_publish_refused_total", "").value == 1)
        hub(.trace).emit(Plain())
        #expect(capture.lines.count == 1)
    }

    @Test("a flood is counted in full, although the log leaves lines out")
    func flood() {
        let hub = hub(.info)
        for _ in 0..<500 { hub.emit(.publishRefused(partition: 3)) }
        #expect(metrics.counter("mds_publish_refused_total", "").value == 500)
        #expect(capture.lines.count < 500)
    }
}
