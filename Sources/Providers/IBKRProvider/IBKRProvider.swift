internal import IBEngine
package import MarketModel
package import Primitives
package import ProviderKit
internal import ServiceRuntime

/// The provider `ibkr`: Interactive Brokers, through TWS or IB Gateway, with one connection on a
/// separate thread (`ConnectionLoop`). The gateway's threads call this class; it only passes their
/// orders on.
///
/// The provider continues until `stop`, whatever happens to the connection. What it could not
/// receive is a gap on the tape, which is filled from the broker's history where that has it.
package final class IBKRProvider: ProviderSource {
    package static let providerName = "ibkr"

    package let name = IBKRProvider.providerName
    package let isUrgent = true

    private let settings: IBKRSettings
    /// The log and the metrics.
    private let telemetry: TelemetryHub
    private let threads: ThreadWatch
    private let wake: WakeEvent
    private let outlet: DelayedOutlet
    private let thread = ProviderThread<ConnectionReport>()

    init(_ context: ProviderKind.Context) throws {
        // The seed decides only jitter, so any number will do.
        settings = IBKRSettings(context.configuration, seed: UInt64.random(in: 0...UInt64.max))
        telemetry = context.telemetry
        threads = context.threads
        let wake = try WakeEvent()
        self.wake = wake
        outlet = DelayedOutlet(wake: wake)
        thread.inbox.wakes { wake.wake() }
    }

    package var delayed: (any DelayedProvider)? { outlet }

    package func start(_ order: ProviderOrder, into channel: ProviderChannel) throws {
        let report = ConnectionReport(order, telemetry, full: FullTime())
        var settings = settings
        if settings.engine.delayed == .automatic, order.source.delayed == nil {
            settings.engine.delayed = .never
            report.unnamedDelayed(order.source)
        }
        let parts = ConnectionLoop.Parts(
            settings: settings, order: order, channel: channel, delayed: outlet,
            inbox: thread.inbox, wake: wake, report: report)
        try thread.start(name, beat: name, threads, report) { beat in
            ConnectionLoop(parts, beat).run()
        }
    }

    package func follow(begun: [UInt32], ended: [UInt32]) {
        thread.inbox.follow(begun: begun, ended: ended)
    }

    package func restart(_ instrument: UInt32, _ kind: DataKind) -> Bool {
        thread.inbox.restart(instrument, kind)
        return true
    }

    package func stop(within timeout: Duration) -> Bool {
        thread.stop(within: timeout)
    }

    package var standings: [InstrumentStanding] {
        let seen = thread.report?.present
        return (seen?.status.instruments ?? []).map { $0.standing }
    }

    package func write(into json: inout JSONWriter) {
        guard let report = thread.report, let seen = report.present else {
            return json.member("state", "stopped")
        }
        IBKRStatusPage(status: seen.status, at: seen.at).write(into: &json)
        report.limits.write(into: &json)
    }
}
