internal import EngineKit
internal import MarketModel
internal import MassiveEngine
package import Primitives
package import ProviderKit
internal import ServiceRuntime
internal import WebSocketClient

/// The provider `massive`: US stocks, with a paid plan, on a separate thread (`MassiveLoop`).
/// The gateway's threads call this class; it only passes their orders on.
package final class MassiveProvider: ProviderSource {
    package static let providerName = "massive"

    package let name = MassiveProvider.providerName
    package let isUrgent = true

    private let setup: MassiveSetup
    private let telemetry: TelemetryHub
    private let threads: ThreadWatch
    private let thread = ProviderThread<MassiveReport>()

    init(_ context: ProviderKind.Context) throws {
        // The seed decides only waits, so any number will do.
        setup = try MassiveSetup(context.configuration, seed: UInt64.random(in: 0...UInt64.max))
        telemetry = context.telemetry
        threads = context.threads
    }

    package func start(_ order: ProviderOrder, into channel: ProviderChannel) throws {
        let report = MassiveReport(order, telemetry)
        let parts = MassiveLoop.Parts(
            setup: setup, order: order, channel: channel, inbox: thread.inbox, report: report)
        let client = try MassiveLoop.client(setup)
        let waker = client.waker
        thread.inbox.wakes { waker.wake() }
        try thread.start(name, beat: name, threads, report) { beat in
            MassiveLoop(parts, client, beat).run()
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
        guard let status = thread.report?.present else {
            return json.member("state", "stopped")
        }
        let counters = status.counters
        json.member("state", status.state.rawValue)
        json.member("reason", status.reason)
        json.member("feed", setup.engine.feed.rawValue)
        json.member("failed_attempts", status.failures)
        json.member("trades", Int(clamping: counters.trades))
        json.member("quotes", Int(clamping: counters.quotes))
        json.member("bars", Int(clamping: counters.bars))
        json.member("revised_bars", Int(clamping: counters.revisions))
        json.member("open_gaps", status.feeds.count { $0.hasOpenGap })
        json.member("instruments_total", status.feeds.count)
        json.member(
            "instruments",
            array: { json in
                for feed in status.feeds.prefix(Self.shownMax) {
                    json.object { json in
                        json.member("symbol", feed.name)
                        json.member("state", "\(feed.state)")
                        json.member("reason", feed.reason)
                    }
                }
            })
    }

    /// The most instruments on the status page, which says how many there are.
    private static let shownMax = 512
}
