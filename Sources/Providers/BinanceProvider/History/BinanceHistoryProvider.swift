internal import BinanceEngine
internal import Glibc
internal import HTTPClient
internal import MarketModel
package import Primitives
package import ProviderKit
internal import ServiceRuntime

/// The provider `binance-history`: past trades or bars between two times, on a separate thread
/// (`BinanceHistoryLoop`). It ends by itself.
package final class BinanceHistoryProvider: ProviderSource {
    package static let providerName = "binance-history"

    package let name = BinanceHistoryProvider.providerName
    /// The past can wait.
    package let isUrgent = false
    package let isRecorded = true

    private let setup: BinanceHistorySetup
    private let telemetry: TelemetryHub
    private let threads: ThreadWatch
    private let waker = ProviderWake()
    private let thread = ProviderThread<BinanceHistoryReport>()

    init(_ context: ProviderKind.Context) throws {
        setup = try BinanceHistorySetup(context.configuration)
        telemetry = context.telemetry
        threads = context.threads
    }

    package func start(_ order: ProviderOrder, into channel: ProviderChannel) throws {
        let report = BinanceHistoryReport(order, telemetry)
        let parts = BinanceHistoryLoop.Parts(
            range: setup.range, bars: setup.bars, order: order, channel: channel,
            inbox: thread.inbox, waker: waker, report: report)
        thread.inbox.wakes { [waker] in waker.wake() }
        let past = try BinancePast(setup.address, setup.http) { [waker] in waker.wake() }
        try thread.start(name, beat: name, threads, report) { beat in
            BinanceHistoryLoop(parts, past, beat).run()
        }
    }

    /// Does nothing: what is loaded is decided at the start.
    package func follow(begun: [UInt32], ended: [UInt32]) {}

    package func stop(within timeout: Duration) -> Bool { thread.stop(within: timeout) }

    package func write(into json: inout JSONWriter) {
        func text(_ time: Timestamp) -> String { time.isDefined ? "\(time)" : "" }
        let status = thread.report?.present
        json.member("process", Int(getpid()))
        json.member("state", status?.state ?? "waiting")
        json.key("problem")
        if let problem = status?.problem { json.value(problem) } else { json.null() }
        json.member("records", status?.records ?? 0)
        json.member("requests", status?.requests ?? 0)
        json.member("begin", text(setup.range.from))
        json.member("reached", text(status?.reached ?? .undefined))
        json.member("end", text(setup.range.to))
    }
}
