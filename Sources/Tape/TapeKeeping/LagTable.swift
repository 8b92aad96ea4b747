package import MarketModel
package import Membership
package import Primitives
internal import TapeCodec
package import TapeTransport

/// The lags of the groups: the distance between what they have read and the heads of their inputs.
/// Pure; times are monotonic.
package struct LagTable: Sendable {
    /// The lag of one group over all that it reads.
    package struct Lag: Hashable, Sendable {
        /// The number of unread ticks and bars.
        package var ticks: UInt64
        /// The age of the oldest unread record, as far as it is known now.
        package var nanoseconds: Int64
        /// The time until everything is read at the recent rate; `nil` when the lag does not fall.
        package var drainNanoseconds: Int64?
    }

    /// A question to the tape: the oldest record that a group has not read on one partition of a
    /// source. It is asked when that record is older than the history of heads.
    package struct Question: Hashable, Sendable {
        package var input: ReaderPosition.Input
        package var partition: Partition
        package var source: SourceName
        /// The sequence of the group's position. The record comes after it.
        package var sequence: UInt64
    }

    /// The tape's answers: when the record was stored, monotonic.
    private var answers: [Question: MonotonicTime] = [:]
    private var trend = LagTrend()
    /// The questions that are to be answered before the next round.
    package private(set) var questions: [Question] = []
    /// The most questions in one round. The others wait for a later round.
    package static let questionsMax = 16

    package init() {}

    /// Returns the lag of each group; `nil` when it cannot be known. `told` holds the positions
    /// that groups reported. A position that is missing there is the stored one, or the partition
    /// is unread.
    package mutating func lags(
        _ groups: [RegisteredGroup], told: PositionStore, heads: HeadStore, now: MonotonicTime
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

    /// Takes the tape's answer. `storedAt` is monotonic.
    package mutating func answer(_ question: Question, storedAt: MonotonicTime) {
        answers[question] = storedAt
    }

    /// Returns the lag of one group; `nil` when it cannot be known. Adds the questions that it
    /// depends on to `used`.
    private mutating func lag(
        _ group: RegisteredGroup, _ told: PositionStore.Reports?, _ heads: HeadStore,
        _ now: MonotonicTime,
        _ used: inout Set<Question>
    ) -> Lag? {
        // Of what a newer release stored, this program does not know what the group reads.
        guard group.problem?.isNewer != true, heads.isReported(group.reads, now: now) else {
            return nil
        }
        var positions = [PositionStore.Place: ReaderPosition](
            group.positions.map { (PositionStore.Place($0), $0) }, uniquingKeysWith: { $1 })
        positions.merge(told?.positions ?? [:]) { $1 }
        var lag = Lag(ticks: 0, nanoseconds: 0)
        for (key, entry) in heads.entries where group.reads.contains(key.input) {
            let position = positions[
                PositionStore.Place(input: key.input, partition: key.partition)]
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
