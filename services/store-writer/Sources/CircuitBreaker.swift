import Primitives
import TapeTransport

/// When to leave a database alone that fails again and again, and when to try it.
///
///     closed -- five failures in a row --> open -- its time has come --> half-open, one probe
///     half-open -- the probe succeeds --> closed;  -- it fails --> open, for longer
///
/// Pure: time and randomness come in.
struct CircuitBreaker: Sendable {
    static let failuresMax = 5
    static let waitFirst = Duration.milliseconds(200)
    static let waitMax = Duration.seconds(30)
    /// A probe that nobody speaks of any more: its thread died. Above the time that connecting and
    /// a statement may take.
    static let probeNanoseconds: Int64 = 60_000_000_000
    /// How soon who waits for another one's probe asks again.
    static let askNanoseconds: Int64 = 50_000_000

    enum Permission: Hashable, Sendable {
        case go
        /// The one try of a half-open breaker: whoever gets it says how it went.
        case probe
        /// Not before this time; then ask again.
        case wait(until: Int64)
    }

    enum State: Hashable, Sendable {
        case closed
        case halfOpen(until: Int64)
        case open(until: Int64)

        /// As the gauge says it: 0 closed, 1 half-open, 2 open.
        var number: Int {
            switch self {
            case .closed: 0
            case .halfOpen: 1
            case .open: 2
            }
        }
    }

    private(set) var state = State.closed
    /// In a row.
    private(set) var failures = 0
    private var backoff = Backoff(first: waitFirst, limit: waitMax)

    mutating func permission(now: Int64) -> Permission {
        switch state {
        case .closed: return .go
        case .open(let until) where now < until: return .wait(until: until)
        case .halfOpen(let until) where now < until:
            return .wait(until: min(until, Self.time(now, plus: Self.askNanoseconds)))
        case .open, .halfOpen:
            state = .halfOpen(until: Self.time(now, plus: Self.probeNanoseconds))
            return .probe
        }
    }

    /// Whoever it was: the database works.
    mutating func succeeded() {
        state = .closed
        failures = 0
        backoff.reset()
    }

    /// While it is open, those fail that had begun before: they say nothing new.
    mutating func failed(now: Int64, using random: inout some RandomNumberGenerator) {
        failures = min(failures + 1, Self.failuresMax)
        switch state {
        case .open: return
        case .closed where failures < Self.failuresMax: return
        case .closed, .halfOpen:
            let wait = backoff.next(using: &random)
            state = .open(until: Self.time(now, plus: wait.clampedNanoseconds))
        }
    }

    private static func time(_ now: Int64, plus wait: Int64) -> Int64 {
        let (time, overflow) = now.addingReportingOverflow(wait)
        return overflow ? Int64.max : time
    }
}
