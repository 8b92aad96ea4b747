internal import BinanceEngine
internal import HTTPClient
package import MarketModel
package import Primitives
package import ProviderKit
internal import ServiceRuntime
internal import Synchronization
internal import WebSocketClient

/// The provider `binance`: the exchange's spot market, without an account, on a separate thread
/// (`BinanceLoop`). The gateway's threads call this class; it only passes their orders on.
package final class BinanceProvider: ProviderSource {
    package static let providerName = "binance"

    package let name = BinanceProvider.providerName
    package let isUrgent = true

    private struct Running: Sendable {
        let thread: ServiceThread
        let report: BinanceReport
    }

    private let setup: BinanceSetup
    private let telemetry: TelemetryHub
    private let threads: ThreadWatch
    private let inbox = ProviderInbox()
    /// `nil` before `start`.
    private let running = Mutex<Running?>(nil)

    init(_ context: ProviderKind.Context) throws {
        // The seed decides only waits, so any number will do.
        setup = try BinanceSetup(
            context.configuration, seed: UInt64.random(in: 0...UInt64.max))
        telemetry = context.telemetry
        threads = context.threads
    }

    package func start(_ order: ProviderOrder, into channel: ProviderChannel) throws {
        let report = BinanceReport(order, telemetry)
        let parts = BinanceLoop.Parts(
            setup: setup, order: order, channel: channel, inbox: inbox, report: report)
        let client = try BinanceLoop.client(setup)
        let waker = client.waker
        inbox.wakes { waker.wake() }
        let past = try setup.rest.map { address throws(HTTPError) in
            try BinancePast(address, setup.http) { waker.wake() }
        }
        let thread = try ServiceThread(name: name) { [threads] in
            // A look-up of a name takes as long as the system's resolver.
            let beat = threads.thread("binance", within: ThreadWatch.callLimit)
            defer { beat.retire() }
            BinanceLoop(parts, client, past, beat).run()
        }
        running.withLock { $0 = Running(thread: thread, report: report) }
    }

    package func follow(begun: [UInt32], ended: [UInt32]) {
        inbox.follow(begun: begun, ended: ended)
    }

    package func restart(_ instrument: UInt32, _ kind: DataKind) -> Bool {
        guard kind == .depth else { return false }
        inbox.restartBook(of: instrument)
        return true
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
        json.member("trades", Int(clamping: status.counters.trades))
        json.member("quotes", Int(clamping: status.counters.sides.quotes))
        json.member("bars", Int(clamping: status.counters.sides.bars))
        json.member("book_rows", Int(clamping: status.counters.sides.rows))
        json.member("missing_ids", Int(clamping: status.counters.missing))
        json.member("filled_ids", Int(clamping: status.counters.fills.filled))
        json.member("lost_ids", Int(clamping: status.counters.fills.lost))
        json.member("open_gaps", status.feeds.count { $0.hasOpenGap })
        json.member("waiting_gaps", status.holes)
        json.member("instruments_total", status.feeds.count)
        json.member(
            "instruments",
            array: { json in
                for feed in status.feeds.prefix(Self.shownMax) {
                    json.object { json in
                        json.member("symbol", feed.name)
                        json.member("state", "\(feed.state)")
                        json.member("reason", feed.reason)
                        json.member("last_id", "\(feed.lastID)")
                    }
                }
            })
    }

    /// The most instruments on the status page, which says how many there are.
    private static let shownMax = 512
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
