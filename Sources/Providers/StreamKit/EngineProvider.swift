internal import EngineKit
package import MarketModel
package import Primitives
package import ProviderKit
internal import ServiceRuntime

/// A provider that is an engine on a separate thread (`ProviderLoop`). The gateway's threads call
/// this class; it only passes their orders on.
package final class EngineProvider<Service: ProviderService>: ProviderSource {
    package let name: String
    package let isUrgent = Service.isUrgent

    /// The most instruments on the status page, which says how many there are.
    private let shownMax = 512
    private let service: Service
    private let telemetry: TelemetryHub
    private let threads: ThreadWatch
    private let thread = ProviderThread<ProviderReport<Service>>()

    package init(_ service: Service, _ context: ProviderKind.Context) {
        name = service.name
        self.service = service
        telemetry = context.telemetry
        threads = context.threads
    }

    package func start(_ order: ProviderOrder, into channel: ProviderChannel) throws {
        let report = ProviderReport(service, order, telemetry)
        let parts = ProviderLoop<Service>.Parts(
            service: service, order: order, channel: channel, inbox: thread.inbox,
            report: report)
        let wait = try service.makeWait()
        let wake = wait.wake
        thread.inbox.wakes(wake)
        let requests = try service.makeRequests(wake)
        try thread.start(name, beat: service.beat, threads, report) { beat in
            ProviderLoop(parts, wait, requests, beat).run()
        }
    }

    package func follow(begun: [UInt32], ended: [UInt32]) {
        thread.inbox.follow(begun: begun, ended: ended)
    }

    package func restart(_ instrument: UInt32, _ kind: DataKind) -> Bool {
        guard service.canRestart(kind) else { return false }
        thread.inbox.restart(instrument, kind)
        return true
    }

    package func stop(within timeout: Duration) -> Bool {
        thread.stop(within: timeout)
    }

    package var standings: [InstrumentStanding] {
        let status = thread.report?.present
        return (status?.feeds ?? []).map {
            InstrumentStanding(
                instrument: $0.instrument, state: InstrumentStanding.State($0.state),
                reason: $0.reason)
        }
    }

    package func write(into json: inout JSONWriter) {
        guard let report = thread.report, let status = report.present else {
            return json.member("state", "stopped")
        }
        json.member("state", status.state.rawValue)
        json.member("reason", status.reason)
        json.member("failed_attempts", status.failures)
        service.write(status, into: &json)
        json.member("open_gaps", status.feeds.count { $0.hasOpenGap })
        report.limits.write(into: &json)
        json.member("instruments_total", status.feeds.count)
        json.member("instruments", each: status.feeds.prefix(shownMax)) {
            service.write($0, into: &$1)
        }
    }
}
