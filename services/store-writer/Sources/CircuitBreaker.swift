import Primitives
import TapeTransport

/// The decision when to stop using a database that fails repeatedly, and when to try it again.
/// `StoreBreaker` holds it under a lock for all workers. *Open* means that the database is not
/// used.
///
///     closed -- `failuresMax` failures --> open -- its wait is over --> half-open, one probe
///     half-open -- the probe succeeds --> closed;  -- it fails --> open, for longer
///
/// Pure: time and randomness are parameters.
struct CircuitBreaker: Sendable {
    /// Configured by WRITER_BREAKER_FAILURES and WRITER_BREAKER_MAX.
    struct Settings: Hashable, Sendable {
        /// How many failures in a row open it.
        var failuresMax = 5
        /// The longest wait of an open breaker.
        var waitMax = Duration.seconds(30)
    }

    /// The first wait of an open breaker.
    static let waitFirst = Duration.milliseconds(200)
    /// How long a probe may take. It is longer than connecting and a statement may take, so after
    /// that its worker is treated as hung, and another one gets a probe.
    static let probeNanoseconds: Int64 = 60_000_000_000
    /// The interval at which a worker asks again while another one's probe is in progress.
    static let askNanoseconds: Int64 = 50_000_000

    /// The answer to a worker that wants to use the database.
    enum Permission: Hashable, Sendable {
        /// The breaker is closed. The worker tries, and reports the result.
        case go
        /// The single try of a half-open breaker. The worker tries, and reports the result.
        case probe
        /// No try is permitted. The worker asks again at this time.
        case wait(until: MonotonicTime)
    }

    enum State: Hashable, Sendable {
        /// The database is used. Next: `open`, after `failuresMax` failures in a row.
        case closed
        /// One probe is in progress, until this time at the latest. Next: `closed`, `open`, or
        /// `halfOpen` with another probe after this time.
        case halfOpen(until: MonotonicTime)
        /// The database is not used before this time. Next: `halfOpen`, or `closed` when a try that
        /// began earlier succeeds.
        case open(until: MonotonicTime)

        /// The value of the gauge: 0 closed, 1 half-open, 2 open.
        var number: Int {
            switch self {
            case .closed: 0
            case .halfOpen: 1
            case .open: 2
            }
        }
    }

    private(set) var state = State.closed
    /// The number of failures since the last success, at most `failuresMax`.
    private(set) var failures = 0
    private let settings: Settings
    private var backoff: Backoff

    init(_ settings: Settings = Settings()) {
        self.settings = settings
        backoff = Backoff(first: min(Self.waitFirst, settings.waitMax), limit: settings.waitMax)
    }

    /// Returns whether a worker may try now. The first one after the wait of an open breaker gets
    /// the probe.
    mutating func permission(now: MonotonicTime) -> Permission {
        switch state {
        case .closed: return .go
        case .open(let until) where now < until: return .wait(until: until)
        case .halfOpen(let until) where now < until:
            return .wait(until: min(until, now + Self.askNanoseconds))
        case .open, .halfOpen:
            state = .halfOpen(until: now + Self.probeNanoseconds)
            return .probe
        }
    }

    /// Notes a success of any worker: the database works.
    mutating func succeeded() {
        state = .closed
        failures = 0
        backoff.reset()
    }

    /// Notes a failure of any worker. While the breaker is open, only tries that began before can
    /// fail, and they change nothing.
    mutating func failed(now: MonotonicTime, using random: inout some RandomNumberGenerator) {
        failures = min(failures + 1, settings.failuresMax)
        switch state {
        case .open: return
        case .closed where failures < settings.failuresMax: return
        case .closed, .halfOpen:
            let wait = backoff.next(using: &random)
            state = .open(until: now.advanced(by: wait))
        }
    }
}
