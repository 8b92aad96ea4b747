public import MarketModel
internal import Primitives

/// A memory for a repair: the ticks that came live, for one deduplicator. If the same tick was
/// fetched later, too, the fetched one is the duplicate, wherever on the tape the two are. Ticks
/// without the id that the rule needs are not remembered. `RepairStages` of the module
/// OperatorGraph uses it.
///
/// A value that one thread owns. It remembers at most the rule's `entriesMax` ticks. Beyond, the
/// oldest is forgotten, and its fetched twin is not recognised here.
public struct TickSightings: Sendable {
    private let rule: DeduplicateRule
    private var memory = DigestMemory(capacity: 1_024)

    public init(_ rule: DeduplicateRule) { self.rule = rule }

    /// Remembers a tick that came live.
    public mutating func note(_ trade: Trade) {
        note(TickDigest(trade, by: rule.key), trade.header)
    }

    /// Remembers a quote that came live.
    public mutating func note(_ quote: Quote) {
        note(TickDigest(quote, by: rule.key), quote.header)
    }

    /// Remembers a provider's bar that came live.
    public mutating func note(_ bar: ProviderBar) {
        note(TickDigest(bar, by: rule.key), bar.header)
    }

    /// Returns whether an equal tick was noted whose time is less than the time to live before or
    /// after the time of this one (`stageTime`).
    public func contains(_ trade: Trade) -> Bool {
        contains(TickDigest(trade, by: rule.key), trade.header)
    }

    /// The same of a quote.
    public func contains(_ quote: Quote) -> Bool {
        contains(TickDigest(quote, by: rule.key), quote.header)
    }

    /// The same of a provider's bar.
    public func contains(_ bar: ProviderBar) -> Bool {
        contains(TickDigest(bar, by: rule.key), bar.header)
    }

    /// Returns whether the tick has the id that the rule needs.
    private func hasNeededID(_ header: TickHeader) -> Bool {
        header.providerID != 0 || !rule.asksForID
    }

    private mutating func note(_ digest: TickDigest, _ header: TickHeader) {
        guard hasNeededID(header) else { return }
        if memory.count >= max(rule.entriesMax, 1) {
            memory.removeOldest()
        } else if memory.count == memory.capacity {
            memory.grow(to: memory.capacity * 2)
        }
        memory.append(digest, time: header.stageTime.nanoseconds)
    }

    private func contains(_ digest: TickDigest, _ header: TickHeader) -> Bool {
        hasNeededID(header)
            && memory.contains(
                digest, near: header.stageTime.nanoseconds, reach: rule.timeToLive)
    }
}
