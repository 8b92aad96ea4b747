public import MarketModel
public import Membership
internal import TapeCodec
public import TapeTransport

/// How far groups are behind the heads of what they read. Pure; times are monotonic nanoseconds.
public struct LagTable: Sendable {
    public struct Lag: Hashable, Sendable {
        public var ticks: UInt64
        /// Age of the oldest record that was not read, as far as it is known by now.
        public var nanoseconds: Int64
        /// Until all is read, if it goes on as lately; nil: the lag does not fall.
        public var drainNanoseconds: Int64?
    }

    /// The oldest record that a group has not read on one partition of a source: what the history
    /// of heads does not reach is to be read from the tape.
    public struct Question: Hashable, Sendable {
        public var input: ReaderPosition.Input
        public var partition: Partition
        public var source: SourceName
        /// Of the position: the record stands behind it.
        public var sequence: UInt64
    }

    /// What the tape answered: when the record was stored, as monotonic nanoseconds.
    private var answers: [Question: Int64] = [:]
    private var trend = LagTrend()
    /// To be answered before the next round.
    public private(set) var questions: [Question] = []
    /// More wait for a later round.
    public static let questionsMax = 16

    public init() {}

    /// `told`: what was heard of a group; what is not in it is on record, or is unread as a whole.
    /// Nil: it cannot be known.
    public mutating func lags(
        _ groups: [RegisteredGroup], told: PositionBook, heads: HeadBook, now: Int64
    ) -> [GroupName: Lag?] {
        questions = []
        var used: Set<Question> = []
        var lags: [GroupName: Lag?] = [:]
        for group in groups {
            var lag = lag(group, told.groups[group.group.text], heads, now, &used)
            if let ticks = lag?.ticks {
                lag?.drainNanoseconds = trend.drainNanoseconds(
                    group.group, ticks: ticks, now: now)
            } else {
                trend.forget(group.group)
            }
            lags[group.group] = .some(lag)
        }
        trend.keep(only: Set(groups.map(\.group)))
        answers = answers.filter { used.contains($0.key) }
        return lags
    }

    public mutating func answer(_ question: Question, storedAt: Int64) {
        answers[question] = storedAt
    }

    private mutating func lag(
        _ group: RegisteredGroup, _ told: PositionBook.Told?, _ heads: HeadBook, _ now: Int64,
        _ used: inout Set<Question>
    ) -> Lag? {
        guard heads.isHeard(group.reads, now: now) else { return nil }
        var positions = [PositionBook.Place: ReaderPosition](
            group.positions.map { (PositionBook.Place($0), $0) }, uniquingKeysWith: { $1 })
        positions.merge(told?.positions ?? [:]) { $1 }
        var lag = Lag(ticks: 0, nanoseconds: 0)
        for (key, entry) in heads.entries where group.reads.contains(key.input) {
            let position = positions[
                PositionBook.Place(input: key.input, partition: key.partition)]
            let read = position?.sources.first { $0.source == key.source }?.lastOrdinal ?? 0
            guard entry.head.lastOrdinal > read else { continue }
            let unread = entry.head.lastOrdinal - read
            let (sum, overflow) = lag.ticks.addingReportingOverflow(unread)
            lag.ticks = overflow ? .max : sum
            let question = Question(
                input: key.input, partition: key.partition, source: key.source,
                sequence: position?.sequence ?? 0)
            used.insert(question)
            guard let since = entry.passed(read) ?? answers[question] else {
                if questions.count < Self.questionsMax { questions.append(question) }
                continue
            }
            lag.nanoseconds = max(lag.nanoseconds, now - since)
        }
        return lag
    }
}
