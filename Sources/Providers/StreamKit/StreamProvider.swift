internal import EngineKit
internal import HTTPClient
internal import MarketModel
package import Primitives
package import ProviderKit
internal import ServiceRuntime
internal import WebSocketClient

/// The provider of a service that streams, on a separate thread (`StreamLoop`). The gateway's
/// threads call this class; it only passes their orders on.
package final class StreamProvider<Service: StreamService>: ProviderSource {
    package let name = Service.name
    package let isUrgent = true

    private let service: Service
    private let telemetry: TelemetryHub
    private let threads: ThreadWatch
    private let thread = ProviderThread<StreamReport<Service>>()

    package init(_ service: Service, _ context: ProviderKind.Context) {
        self.service = service
        telemetry = context.telemetry
        threads = context.threads
    }

    package func start(_ order: ProviderOrder, into channel: ProviderChannel) throws {
        let report = StreamReport<Service>(order, telemetry)
        let parts = StreamLoop<Service>.Parts(
            service: service, order: order, channel: channel, inbox: thread.inbox,
            report: report)
        let client = try Self.client(service)
        let waker = client.waker
        thread.inbox.wakes { waker.wake() }
        let requests = try service.requests.map { requests throws(HTTPError) in
            try StreamRequests(requests, service.meaning) { waker.wake() }
        }
        try thread.start(name, beat: name, threads, report) { beat in
            StreamLoop(parts, client, requests, beat).run()
        }
    }

    private static func client(
        _ service: Service
    ) throws(WebSocketError) -> sending WebSocketClient {
        try WebSocketClient(service.client)
    }

    package func follow(begun: [UInt32], ended: [UInt32]) {
        thread.inbox.follow(begun: begun, ended: ended)
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
        json.member(
            "instruments",
            array: { json in
                // The page says how many there are.
                for feed in status.feeds.prefix(512) {
                    json.object { json in
                        json.member("symbol", feed.name)
                        json.member("state", "\(feed.state)")
                        json.member("reason", feed.reason)
                    }
                }
            })
    }
}
