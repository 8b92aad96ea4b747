import MarketModel
import Primitives
import ProviderKit

/// The beginnings and ends of subscriptions of a synthetic market that are not recorded yet.
///
/// A record names the market's last tick, as its partition may have no later one: a successor
/// continues after it. While the market catches up, a partition may have later ticks than that.
/// There a record waits until the market has passed them. It cannot name one of them itself, as
/// other partitions have no tick up to there yet, and their watermark follows what is named.
struct SyntheticChanges: Sendable {
    private struct Change {
        let action: SubscriptionAction
        let number: UInt32
        /// It is recorded before this tick, and after all earlier ones.
        let from: UInt64
    }

    private var waiting: [Change] = []

    /// Adds a change of these instruments, which the market has to have: an end is added before it
    /// follows the change, a beginning after that.
    mutating func add(
        _ action: SubscriptionAction, _ numbers: some Sequence<UInt32>, of ticks: SyntheticTicks
    ) {
        // The changes of an instrument keep their order.
        let before = Dictionary(
            waiting.map { ($0.number, $0.from) }, uniquingKeysWith: { _, later in later })
        for number in numbers {
            let from = max(before[number] ?? 0, ticks.first(of: number))
            waiting.append(Change(action: action, number: number, from: from))
        }
    }

    /// Appends the market's ticks that are due, with the records of changes between them. It checks
    /// at most `ticksMax` ticks.
    mutating func take(
        dueAt now: Timestamp, ticksMax: Int, from ticks: inout SyntheticTicks,
        into batch: inout [ProviderRecord]
    ) {
        record(ticks, into: &batch)
        let (next, all) = (ticks.next, UInt64(ticksMax))
        let until = waiting.map { Self.from($0, ticks) }.filter { $0 > next }.min()
        let count = until.map { min(all, $0 - next) } ?? all
        ticks.take(dueAt: now, ticksMax: Int(count), into: &batch)
        // The market may end with these ticks.
        record(ticks, into: &batch)
    }

    /// The tape may have lost more ticks of an instrument since its change.
    private static func from(_ change: Change, _ ticks: SyntheticTicks) -> UInt64 {
        max(change.from, ticks.first(of: change.number))
    }

    /// Appends the records of the changes whose tick is reached.
    private mutating func record(_ ticks: SyntheticTicks, into batch: inout [ProviderRecord]) {
        guard !waiting.isEmpty else { return }
        var later: [Change] = []
        for change in waiting {
            if ticks.isFinished || Self.from(change, ticks) <= ticks.next {
                batch += Self.records(change, ticks)
            } else {
                later.append(change)
            }
        }
        waiting = later
    }

    private static func records(_ change: Change, _ ticks: SyntheticTicks) -> [ProviderRecord] {
        let last = ticks.passed.stamp()
        // The tape takes the time of the tick for that of the record. Nothing is between this tick
        // and the next one, so the change is of this time, too.
        let time = last.time.isDefined ? last.time : ticks.origin
        return [DataKind.trade, .quote].map { kind in
            .tape(
                .subscription(
                    SubscriptionRecord(
                        header: TickHeader(
                            symbol: change.number, providerTime: last.time, receiveTime: time,
                            providerID: last.id),
                        action: change.action, kind: kind, mode: .live,
                        provider: SyntheticProvider.providerName)))
        }
    }
}
