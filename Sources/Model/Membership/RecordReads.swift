internal import Primitives

/// When the bucket of owners is read, how much of it, and up to which write it is known. Every
/// write of the bucket has a *revision*, which is higher than all before. A process reads what was
/// written after the last revision that it knows, or everything. A bucket *goes back* when it is
/// restored from a backup. Times are monotonic.
struct RecordReads: Sendable {
    enum Scope: Int, Comparable, Sendable {
        /// Nothing has to be read; the records that were written since the last read; all of them.
        case nothing, changes, whole
        static func < (left: Scope, right: Scope) -> Bool { left.rawValue < right.rawValue }
    }

    private let lease: Int64
    /// What the next read has to include.
    private var scope = Scope.nothing
    private(set) var isReading = false
    /// Whether the last read requested all records.
    private(set) var wasWhole = false
    /// The link on which the last read began.
    private var link = 0
    /// The number of the last read that began, and of the last one whose result was accepted.
    private(set) var started: UInt64 = 0
    private(set) var done: UInt64 = 0
    /// When all records were last requested, the earliest time of the next read, and when the last
    /// one ended.
    private var wholeAt = MonotonicTime.distantPast
    private var notBefore = MonotonicTime.distantPast
    private var endedAt = MonotonicTime.distantPast
    /// The records were read on this link, or are newer.
    private(set) var isFresh = false
    /// The revision up to which the bucket was read.
    private(set) var last: UInt64 = 0
    /// The revision of this process's last write.
    private(set) var written: UInt64 = 0
    /// The bucket went back, and this was not reported to the others yet.
    private(set) var hasToReportReplaced = false
    /// Since when reads have contradicted what is known; `nil` while they do not.
    private var doubtedSince: MonotonicTime?

    /// The longest time between two reads.
    private static let intervalNanoseconds: Int64 = 1_000_000_000
    /// When nothing else has to be read, all records are read this often. A bucket that was
    /// restored from a backup and has as many writes again as before looks like the earlier one.
    private static let wholeIntervalNanoseconds: Int64 = 8_000_000_000
    /// A bucket with several copies that contradicts what is known of it is treated as another one
    /// only after this long. A new leader may answer before it has applied all of its log.
    private static let doubtNanoseconds: Int64 = 30_000_000_000
    /// The time between two reads in doubt, and after a read that failed.
    private static let doubtSpacingNanoseconds: Int64 = 100_000_000
    private static let failureSpacingNanoseconds: Int64 = 200_000_000

    init(lease: Int64) {
        self.lease = lease
    }

    /// When the next read is due.
    var due: MonotonicTime {
        scope == .nothing ? max(notBefore, endedAt + Self.intervalNanoseconds) : notBefore
    }

    /// The last write to the bucket that this process knows, for heartbeats. 0 once after the
    /// bucket went back, so that the others read it again, too.
    var toReport: UInt64 { hasToReportReplaced ? 0 : max(last, written) }

    mutating func reported() { hasToReportReplaced = false }

    mutating func require(_ wanted: Scope) { scope = max(scope, wanted) }

    /// What was read before a new link may be out of date.
    mutating func linked() {
        isFresh = false
        scope = .whole
        notBefore = .distantPast
    }

    /// Begins the read with the number `started`. Returns after which revision it is.
    mutating func begin(on link: Int, at now: MonotonicTime) -> UInt64 {
        precondition(!isReading, "one read at a time")
        started += 1
        isReading = true
        self.link = link
        // For a bucket that was empty, every record is new. That does not show that it is another
        // bucket.
        let isDue = scope == .nothing && now >= wholeAt + Self.wholeIntervalNanoseconds
        wasWhole = scope == .whole || isDue || last == 0
        if wasWhole { wholeAt = now }
        scope = .nothing
        return wasWhole ? 0 : last
    }

    mutating func failed(_ number: UInt64, at now: MonotonicTime) {
        if isReading, number == started {
            isReading = false
            endedAt = now
            require(wasWhole ? .whole : .changes)
        }
        doubtedSince = nil
        notBefore = now + Self.failureSpacingNanoseconds
    }

    /// Ends a read. Returns false when its result is of another one, or older than what was read
    /// on this link.
    mutating func end(
        _ number: UInt64, on link: Int, spacing: Int64, at now: MonotonicTime
    ) -> Bool {
        guard isReading, number == started else { return false }
        isReading = false
        endedAt = now
        notBefore = now + spacing
        if self.link == link { return true }
        scope = .whole
        doubtedSince = nil
        return false
    }

    /// Takes the result of the read that ended, unless it contradicts what is known and is not
    /// believed yet: then it is repeated first, once more where there is one copy.
    mutating func accept(
        _ read: RecordsRead, contradicts: Bool, at now: MonotonicTime
    ) -> Bool {
        if contradicts {
            let since = doubtedSince ?? now
            let isNew = doubtedSince == nil
            doubtedSince = since
            if isNew || read.isReplicated && now - since < Self.doubtNanoseconds {
                scope = .whole
                if !isNew { notBefore = now + min(Self.doubtSpacingNanoseconds, lease / 4) }
                return false
            }
            hasToReportReplaced = true
        }
        doubtedSince = nil
        done = read.number
        if read.isWhole { (last, written, isFresh) = (0, 0, true) }
        last = max(last, read.last)
        return true
    }

    /// A write of this process was stored.
    mutating func stored(_ revision: UInt64) {
        written = max(written, revision)
        if revision == last + 1 { last = revision }
    }
}
