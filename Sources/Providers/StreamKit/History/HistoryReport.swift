internal import EngineKit
internal import MarketModel
internal import Primitives
internal import ProviderKit
internal import ServiceRuntime

extension HistoryProgress {
    /// The state of a load, for the status page.
    var state: String {
        switch phase {
        // The last records are on their way.
        case .loading, .ending: HistoryPhase.loading.rawValue
        case .finished, .failed: phase.rawValue
        }
    }
}

/// The reports of the loading thread to logs, metrics and the status page. Any thread may read
/// `present`; the rest is called by the loading thread.
final class HistoryReport: Sendable {
    /// How often the gateway had no room.
    let waits: Counter
    let limits: ShownLimits
    private let requests: Counter
    private let telemetry: TelemetryHub
    private let shown = ShownStatus<HistoryProgress>()

    init(_ order: ProviderOrder, provider: String, _ telemetry: TelemetryHub) {
        self.telemetry = telemetry
        let labels = [("source", order.source.text)]
        waits = telemetry.metrics.counter(
            "mds_history_channel_full_total",
            "a turn in which the gateway had no room and nothing was asked",
            "rises: the tape is slow or nearly full, and the present comes first", labels: labels)
        requests = telemetry.metrics.counter(
            "mds_history_requests_total", "a request for past trades or bars",
            "stands still while the load is not done: the event `history.trouble` has the reason",
            labels: labels)
        limits = ShownLimits(telemetry.metrics, source: order.source, provider: provider)
    }

    /// The last state; `nil` before the thread has begun.
    var present: HistoryProgress? { shown.present }

    /// Shows the present state, and tells a new problem once.
    func show(_ progress: HistoryProgress, _ present: [ProviderLimit], _ now: Moment) {
        limits.show(present, now)
        let before = shown.present
        requests.add(progress.requests - (before?.requests ?? 0))
        if let problem = progress.problem, problem != before?.problem {
            telemetry.emit(
                .historyTrouble(problem: problem, isFinal: progress.phase == .failed))
        }
        if progress.phase == .finished, before?.state != progress.state {
            telemetry.emit(.historyLoaded(progress: progress))
        }
        shown.show(progress)
    }
}

extension ServiceEvent {
    static func historyTrouble(problem: String, isFinal: Bool) -> Self {
        Self(
            isFinal ? .error : .warning, "history.trouble",
            isFinal
                ? "the load cannot go on: \(problem)" : "the load waits, tried again: \(problem)",
            ("final", .flag(isFinal)))
    }

    static func historyLoaded(progress: HistoryProgress) -> Self {
        Self(
            .info, "history.loaded", "the past is handed over",
            ("records", .integer(Int64(clamping: progress.records))),
            ("requests", .integer(Int64(clamping: progress.requests))))
    }
}
