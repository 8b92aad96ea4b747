internal import EngineKit
internal import Glibc
internal import MarketModel
package import Primitives
package import ProviderKit
internal import ServiceRuntime

/// The settings of a load, and how its parts are made.
package protocol HistorySetup: Sendable {
    associatedtype Client: HistoryClient

    /// The provider's name, also that of its thread.
    var name: String { get }
    var range: HistorySettings { get }

    func makeService() -> Client.Service
    /// Makes the client, which calls `waker` when an outcome waits. It connects to nothing yet.
    func makeClient(_ waker: ProviderWake) throws -> sending Client
}

/// A provider of past trades or bars between two times, on a separate thread (`HistoryLoop`). It
/// ends by itself.
package final class HistoryProvider<Setup: HistorySetup>: ProviderSource {
    package let name: String
    /// The past can wait.
    package let isUrgent = false
    package let isRecorded = true

    private let setup: Setup
    private let telemetry: TelemetryHub
    private let threads: ThreadWatch
    private let waker = ProviderWake()
    private let thread = ProviderThread<HistoryReport>()

    package init(_ setup: Setup, _ context: ProviderKind.Context) {
        name = setup.name
        self.setup = setup
        telemetry = context.telemetry
        threads = context.threads
    }

    package func start(_ order: ProviderOrder, into channel: ProviderChannel) throws {
        let report = HistoryReport(order, provider: name, telemetry)
        let parts = HistoryLoop<Setup.Client>.Parts(
            provider: name, range: setup.range, order: order, channel: channel,
            inbox: thread.inbox, report: report)
        thread.inbox.wakes { [waker] in waker.wake() }
        let client = try setup.makeClient(waker)
        let service = setup.makeService()
        try thread.start(name, beat: name, threads, report) { beat in
            HistoryLoop(parts, service, client, beat).run()
        }
    }

    /// Does nothing: what is loaded is decided at the start.
    package func follow(begun: [UInt32], ended: [UInt32]) {}

    package func stop(within timeout: Duration) -> Bool { thread.stop(within: timeout) }

    package func write(into json: inout JSONWriter) {
        func text(_ time: Timestamp) -> String { time.isDefined ? "\(time)" : "" }
        let progress = thread.report?.present
        json.member("process", Int(getpid()))
        json.member("state", progress?.state ?? "waiting")
        json.key("problem")
        if let problem = progress?.problem { json.value(problem) } else { json.null() }
        json.member("records", progress?.records ?? 0)
        json.member("requests", progress?.requests ?? 0)
        thread.report?.limits.write(into: &json)
        json.member("begin", text(setup.range.from))
        json.member("reached", text(progress?.reached ?? .undefined))
        json.member("end", text(setup.range.to))
    }
}
