internal import HTTPClient
internal import MarketModel
internal import PolledEngine
package import Primitives
package import ProviderKit
internal import ServiceRuntime
internal import Synchronization

/// A provider that polls one service, on a separate thread (`PolledLoop`). The gateway's threads
/// call this class; it only passes their orders on.
package final class PolledProvider: ProviderSource {
    package let name: String
    /// The service is asked again for what the gateway cannot take now.
    package let isUrgent = false

    private struct Running: Sendable {
        let thread: ServiceThread
        let report: PolledReport
    }

    private let setup: PolledSetup
    private let telemetry: TelemetryHub
    private let threads: ThreadWatch
    private let inbox = ProviderInbox()
    private let waker = PolledWake()
    /// `nil` before `start`.
    private let running = Mutex<Running?>(nil)

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
            setup: setup, order: order, channel: channel, inbox: inbox, waker: waker,
            report: report)
        inbox.wakes { [waker] in waker.wake() }
        let client = try HTTPClient(setup.http) { [waker] in waker.wake() }
        let thread = try ServiceThread(name: name) { [threads, waker, name, setup] in
            let beat = threads.thread("poll.\(name)", within: ThreadWatch.callLimit)
            defer { beat.retire() }
            PolledLoop(parts, PolledRequests(setup, client) { waker.wake() }, beat).run()
        }
        running.withLock { $0 = Running(thread: thread, report: report) }
    }

    package func follow(begun: [UInt32], ended: [UInt32]) {
        inbox.follow(begun: begun, ended: ended)
    }

    package func stop(within timeout: Duration) -> Bool {
        inbox.stop()
        return running.withLock { $0?.thread }?.join(timeout: timeout) ?? true
    }

    package var standings: [InstrumentStanding] {
        let status = running.withLock({ $0?.report.present }) ?? nil
        return (status?.feeds ?? []).map {
            InstrumentStanding(
                instrument: $0.instrument, state: $0.state.standing, reason: $0.reason)
        }
    }

    package func write(into json: inout JSONWriter) {
        guard let status = running.withLock({ $0?.report.present }) ?? nil else {
            return json.member("state", "stopped")
        }
        json.member("state", status.state.rawValue)
        json.member("reason", status.reason)
        json.member("failed_attempts", status.failures)
        json.member("polled_to", status.polledTo.shown)
        json.member("values", Int(clamping: status.counters.values))
        json.member("revisions", Int(clamping: status.counters.revisions))
        json.member("open_gaps", status.feeds.count { $0.hasOpenGap })
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

extension FeedState.State {
    fileprivate var standing: InstrumentStanding.State {
        switch self {
        case .starting: .waiting
        case .live: .subscribed
        case .down: .down
        case .refused: .refused
        }
    }
}
