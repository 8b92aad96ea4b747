import Primitives

/// Keeps a retry loop from flooding the log. Each event may write a burst of lines, in which the
/// lines of all partitions at a start fit. After that it may write at a fixed rate.
struct RepeatLimit {
    /// The burst of one event and level that was silent before.
    static let burstLinesMax: Int64 = 100
    /// The time after which an event may write another line.
    static let nanosecondsPerLine: Int64 = 1_000_000_000
    /// The time between two reports about one event's suppressed lines.
    static let reportSeconds: Int64 = 10
    /// The most events with separate accounts. Further ones share one account. Event names are
    /// constants of the code, so this is reached only if a name is made from data.
    static let eventsMax = 512

    struct Suppressed: Equatable {
        let event: String
        let level: LogLevel
        let lines: Int
    }

    private struct Key: Hashable {
        let event: String
        let level: LogLevel
    }

    private struct Account {
        /// The time that was earned and not yet spent, in nanoseconds.
        var credit = RepeatLimit.burstLinesMax * RepeatLimit.nanosecondsPerLine
        var updated: Timestamp
        var suppressed = 0
        /// When the first of the suppressed lines came.
        var suppressedSince = Timestamp.undefined

        var reportTime: Timestamp {
            suppressedSince.advanced(byNanoseconds: RepeatLimit.reportSeconds * 1_000_000_000)
        }

        mutating func earn(until now: Timestamp) {
            let earned = max(0, now.nanoseconds(since: updated))
            let most = RepeatLimit.burstLinesMax * RepeatLimit.nanosecondsPerLine
            credit = earned >= most ? most : min(most, credit + earned)
            updated = now
        }
    }

    private var accounts: [Key: Account] = [:]
    /// When the first report is due. Before it no account has to be checked.
    private var nextReport = Timestamp.undefined

    /// Returns whether a line of this event may be written now.
    mutating func admits(_ event: String, _ level: LogLevel, at now: Timestamp) -> Bool {
        var key = Key(event: event, level: level)
        if accounts[key] == nil, accounts.count >= Self.eventsMax {
            key = Key(event: "(other events)", level: level)
        }
        var account = accounts[key] ?? Account(updated: now)
        defer { accounts[key] = account }
        account.earn(until: now)
        guard account.credit < Self.nanosecondsPerLine else {
            account.credit -= Self.nanosecondsPerLine
            return true
        }
        if account.suppressed == 0 { account.suppressedSince = now }
        account.suppressed += 1
        // A clock that was set back would delay the report for as long.
        account.suppressedSince = min(account.suppressedSince, now)
        nextReport = min(nextReport, account.reportTime)
        return false
    }

    /// Returns the suppressed lines whose report is due (or all of them, at the end of the
    /// process), sorted by event. Each is returned once.
    mutating func due(at now: Timestamp, all: Bool = false) -> [Suppressed] {
        guard all || now >= nextReport else { return [] }
        var found: [Suppressed] = []
        nextReport = .undefined
        for (key, account) in accounts where account.suppressed > 0 {
            guard all || now >= account.reportTime else {
                nextReport = min(nextReport, account.reportTime)
                continue
            }
            found.append(
                Suppressed(event: key.event, level: key.level, lines: account.suppressed))
            accounts[key]?.suppressed = 0
        }
        return found.sorted { ($0.event, $0.level) < ($1.event, $1.level) }
    }
}
