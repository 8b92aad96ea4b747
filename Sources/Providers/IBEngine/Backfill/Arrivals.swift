public import Primitives

/// What arrived around an outage, as far as it is known: history tells of it once more.
public struct Arrivals: Sendable {
    /// Of the gap's kind; the order does not matter.
    public var ticks: [ArrivedTick]
    /// `ticks` has all that arrived with event times in [since, until). Undefined: nobody knows
    /// what arrived before, or behind, the outage, because another process received it; then
    /// nothing is added to a second that the outage has a part of only, nor to the last ones, of
    /// which late ticks may have arrived behind it.
    public var since: Timestamp
    public var until: Timestamp

    public static let unknown = Arrivals([], since: .undefined, until: .undefined)

    /// Some of them stand for several of history's.
    var areConflated: Bool { ticks.contains(where: \.isConflated) }

    public init(_ ticks: [ArrivedTick], since: Timestamp, until: Timestamp) {
        self.ticks = ticks
        self.since = since
        self.until = until
    }
}
