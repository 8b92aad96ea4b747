import Primitives
import Synchronization
import ServiceRuntime

/// The circuit breaker that all workers of this process share, because they share one database. Any
/// worker may call it.
final class StoreBreaker: Sendable {
    typealias Permission = CircuitBreaker.Permission

    private struct Guarded {
        var machine: CircuitBreaker
        var random = SystemRandomNumberGenerator()
    }

    private let guarded: Mutex<Guarded>
    private let telemetry: TelemetryHub
    private let gauge: Gauge

    init(_ settings: CircuitBreaker.Settings, _ telemetry: TelemetryHub) {
        guarded = Mutex(Guarded(machine: CircuitBreaker(settings)))
        self.telemetry = telemetry
        gauge = telemetry.metrics.gauge(
            "mds_coord_circuit_state",
            "circuit breaker of the database: 0 closed, 1 half-open (one thread tries), 2 open "
                + "(no requests)", "2 for long: the database is away; `/status` has the reason")
        gauge.set(0)
    }

    /// Returns whether the calling worker may try.
    func permission(now: MonotonicTime) -> Permission { change { $0.machine.permission(now: now) } }

    /// Notes that a try succeeded.
    func succeeded() { change { $0.machine.succeeded() } }

    /// Notes that a try failed.
    func failed(now: MonotonicTime) {
        change { $0.machine.failed(now: now, using: &$0.random) }
    }

    /// Changes the machine, and shows and reports its state when that is another one.
    private func change<Answer>(_ body: (inout Guarded) -> sending Answer) -> Answer {
        let (answer, before, after) = guarded.withLock { guarded in
            let before = guarded.machine.state
            let answer = body(&guarded)
            // The gauge is set within the lock, so that the last change is also the last one shown.
            if guarded.machine.state.number != before.number {
                gauge.set(Double(guarded.machine.state.number))
            }
            return (answer, before, guarded.machine.state)
        }
        if before.number != after.number { telemetry.emit(.breakerChanged(after)) }
        return answer
    }
}

extension ServiceEvent {
    /// The breaker changed its state.
    static func breakerChanged(_ state: CircuitBreaker.State) -> Self {
        let (level, label, message): (LogLevel, String, String) =
            switch state {
            case .closed: (.info, "closed", "the database takes rows again")
            case .halfOpen: (.info, "half_open", "the database is tried again by one thread")
            case .open:
                (
                    .warning, "open",
                    "the database fails again and again: nothing is asked of it for a while; the "
                        + "tape keeps the data"
                )
            }
        return Self(level, "writer.breaker.changed", message, ("state", .text(label))).counting(
            "mds_writer_breaker_changes_total", "a transition of the breaker",
            "often: the database comes and goes", by: "state: closed, half_open, open",
            labels: [("state", label)])
    }
}
