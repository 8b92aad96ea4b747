internal import BinanceEngine
internal import MarketModel
internal import Primitives
internal import ProviderKit
internal import ServiceRuntime

/// The state of a load, for the status page.
struct BinanceHistoryStatus: Sendable {
    var state: String
    var problem: String?
    var records: UInt64
    var requests: UInt64
    var reached: Timestamp

    init(_ history: BinanceHistory) {
        switch history.phase {
        // The last records are on their way.
        case .loading, .ending: state = BinanceHistory.Phase.loading.rawValue
        case .finished, .failed: state = history.phase.rawValue
        }
        problem = history.problem
        records = history.records
        requests = history.requests
        reached = history.reached
    }
}

/// The reports of the loading thread to logs, metrics and the status page. Any thread may read
/// `present`; the rest is called by the loading thread.
final class BinanceHistoryReport: Sendable {
    /// How often the gateway had no room.
    let waits: Counter
    private let requests: Counter
    private let telemetry: TelemetryHub
    private let shown = ShownStatus<BinanceHistoryStatus>()

    init(_ order: ProviderOrder, _ telemetry: TelemetryHub) {
        self.telemetry = telemetry
        let labels = [("source", order.source.text)]
        waits = telemetry.metrics.counter(
            "mds_history_channel_full_total", "Turns in which nothing was asked.", labels: labels)
        requests = telemetry.metrics.counter(
            "mds_history_requests_total", "Requests for a provider's past.", labels: labels)
    }

    /// The last state; `nil` before the thread has begun.
    var present: BinanceHistoryStatus? { shown.present }

    /// Shows the present state, and tells a new problem once.
    func show(_ history: BinanceHistory) {
        let status = BinanceHistoryStatus(history)
        let before = shown.present
        requests.add(status.requests - (before?.requests ?? 0))
        if let problem = status.problem, problem != before?.problem {
            telemetry.emit(
                BinanceHistoryTrouble(problem: problem, isFinal: history.phase == .failed))
        }
        if history.phase == .finished, before?.state != status.state {
            telemetry.emit(BinanceHistoryLoaded(status: status))
        }
        shown.show(status)
    }
}

struct BinanceHistoryTrouble: TelemetryEvent {
    static let name = "history.trouble"
    let problem: String
    let isFinal: Bool

    var level: LogLevel { isFinal ? .error : .warning }
    var message: String {
        isFinal ? "the load cannot go on: \(problem)" : "the load waits, tried again: \(problem)"
    }
    var fields: [(String, LogValue)] { [("final", .flag(isFinal))] }

    func count(in metrics: MetricRegistry) {}
}

struct BinanceHistoryLoaded: TelemetryEvent {
    static let name = "history.loaded"
    let status: BinanceHistoryStatus

    var level: LogLevel { .info }
    var message: String { "the past is handed over" }
    var fields: [(String, LogValue)] {
        [
            ("records", .integer(Int64(clamping: status.records))),
            ("requests", .integer(Int64(clamping: status.requests))),
        ]
    }

    func count(in metrics: MetricRegistry) {}
}
