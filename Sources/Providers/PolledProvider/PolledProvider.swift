internal import EngineKit
internal import MarketModel
internal import PolledEngine
package import Primitives
package import ProviderKit
internal import ServiceRuntime

/// A provider that polls one service, on a separate thread (`PolledLoop`). The gateway's threads
/// call this class; it only passes their orders on.
package final class PolledProvider: ProviderSource {
    package let name: String
    /// The service is asked again for what the gateway cannot take now.
    package let isUrgent = false

    private let setup: PolledSetup
    private let telemetry: TelemetryHub
    private let threads: ThreadWatch
    private let waker = ProviderWake()
    private let thread = ProviderThread<PolledReport>()

    init(_ keys: PolledKeys, _ context: ProviderKind.Context) throws {
        name = keys.table.rawValue
        // The seed decides only waits, so any number will do.
        setup = try PolledSetup(
            keys, context.configuration, seed: UInt64.random(in: 0...UInt64.max))
        telemetry = context.telemetry
        threads = context.threads
    }

    package func start(_ order: ProviderOrder, into channel: ProviderChannel) throws {
        let report = PolledReport(setup.engine.table, order, telemetry)
        let parts = PolledLoop.Parts(
            setup: setup, order: order, channel: channel, inbox: thread.inbox, waker: waker,
            report: report)
        thread.inbox.wakes { [waker] in waker.wake() }
        let requests = try PolledRequests(setup) { [waker] in waker.wake() }
        try thread.start(name, beat: "poll.\(name)", threads, report) { beat in
            PolledLoop(parts, requests, beat).run()
        }
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
        json.member("polled_to", status.polledTo.shown)
        json.member("values", Int(clamping: status.counters.values))
        json.member("revisions", Int(clamping: status.counters.revisions))
        json.member("open_gaps", status.feeds.count { $0.hasOpenGap })
        report.limits.write(into: &json)
        json.member("instruments_total", status.feeds.count)
        json.member(
            "instruments",
            array: { json in
                for feed in status.feeds.prefix(Self.shownMax) {
                    json.object { json in
                        json.member("series", feed.name)
                        json.member("state", "\(feed.state)")
                        json.member("reason", feed.reason)
                        json.member("polled_to", feed.polledTo.shown)
                    }
                }
            })
    }

    /// The most instruments on the status page, which says how many there are.
    private static let shownMax = 512
}

extension Timestamp {
    /// The time for a page; empty: there is none.
    fileprivate var shown: String { isDefined ? description : "" }
}
