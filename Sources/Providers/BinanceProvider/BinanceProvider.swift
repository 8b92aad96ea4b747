internal import BinanceEngine
internal import EngineKit
internal import HTTPClient
package import MarketModel
package import Primitives
package import ProviderKit
internal import ServiceRuntime
internal import WebSocketClient

/// The provider `binance`: the exchange's spot market, without an account, on a separate thread
/// (`BinanceLoop`). The gateway's threads call this class; it only passes their orders on.
package final class BinanceProvider: ProviderSource {
    package static let providerName = "binance"

    package let name = BinanceProvider.providerName
    package let isUrgent = true

    private let setup: BinanceSetup
    private let telemetry: TelemetryHub
    private let threads: ThreadWatch
    private let thread = ProviderThread<BinanceReport>()

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
            setup: setup, order: order, channel: channel, inbox: thread.inbox, report: report)
        let client = try BinanceLoop.client(setup)
        let waker = client.waker
        thread.inbox.wakes { waker.wake() }
        let past = try setup.rest.map { addresses throws(HTTPError) in
            try BinancePast(addresses, setup.http) { waker.wake() }
        }
        try thread.start(name, beat: name, threads, report) { beat in
            BinanceLoop(parts, client, past, beat).run()
        }
    }

    package func follow(begun: [UInt32], ended: [UInt32]) {
        thread.inbox.follow(begun: begun, ended: ended)
    }

    package func restart(_ instrument: UInt32, _ kind: DataKind) -> Bool {
        guard kind == .depth else { return false }
        thread.inbox.restartBook(of: instrument)
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
        json.member("trades", Int(clamping: status.counters.trades))
        json.member("quotes", Int(clamping: status.counters.sides.quotes))
        json.member("bars", Int(clamping: status.counters.sides.bars))
        json.member("book_rows", Int(clamping: status.counters.sides.rows))
        json.member("missing_ids", Int(clamping: status.counters.missing))
        json.member("filled_ids", Int(clamping: status.counters.fills.filled))
        json.member("lost_ids", Int(clamping: status.counters.fills.lost))
        json.member("open_gaps", status.feeds.count { $0.hasOpenGap })
        json.member("waiting_gaps", status.holes)
        report.limits.write(into: &json)
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
