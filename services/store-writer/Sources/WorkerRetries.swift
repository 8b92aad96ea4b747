import Primitives

/// When a worker without a session connects next, and when a session is checked.
struct WorkerRetries {
    /// The first wait after a failure; `retryMax` of the settings is the longest.
    private static let first = Duration.milliseconds(100)
    /// The longest wait between two tries while the schema does not fit: a person has to run the
    /// migration.
    private static let schemaMax = Duration.seconds(5)
    /// The interval between checks of an idle session.
    private static let checkNanoseconds: Int64 = 1_000_000_000

    private(set) var connectAt: MonotonicTime
    private var checkedAt = MonotonicTime.distantPast
    private var afterFailure: Backoff
    private var whileSchemaDiffers = Backoff(first: first, limit: schemaMax)
    private var random = SystemRandomNumberGenerator()

    /// `begin` is the earliest time to connect.
    init(begin: MonotonicTime, longest: Duration) {
        connectAt = begin
        afterFailure = Backoff(first: Self.first, limit: max(Self.first, longest))
    }

    mutating func failed(at now: MonotonicTime) {
        connectAt = now.advanced(by: afterFailure.next(using: &random))
    }

    mutating func waitForSchema(at now: MonotonicTime) {
        connectAt = now.advanced(by: whileSchemaDiffers.next(using: &random))
    }

    mutating func never() { connectAt = .never }

    /// Returns true once an interval.
    mutating func isCheckDue(at now: MonotonicTime) -> Bool {
        guard now >= checkedAt + Self.checkNanoseconds else { return false }
        checkedAt = now
        return true
    }

    mutating func succeeded() {
        afterFailure.reset()
        whileSchemaDiffers.reset()
    }
}

/// A try: any use of the database that the breaker has to permit.
struct WorkerTry {
    /// Until when the breaker allows none.
    var waitUntil = MonotonicTime.distantPast
    /// Whether the breaker has permitted one whose result is not reported yet. Several uses of the
    /// database may belong to one try: connecting, the claim, a write.
    private(set) var isPermitted = false
    /// Until when a write is waited for as a proof; `nil` when no proof is waited for.
    private(set) var proveUntil: MonotonicTime?

    mutating func begin() { isPermitted = true }
    mutating func prove(until time: MonotonicTime) { proveUntil = time }

    mutating func end() {
        isPermitted = false
        proveUntil = nil
    }
}
