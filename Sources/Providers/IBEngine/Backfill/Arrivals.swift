package import Primitives

/// The ticks that arrived live around an outage, as far as they are known. History reports them
/// again.
package struct Arrivals: Sendable {
    /// The ticks of the gap's kind, in any order.
    package var ticks: [ArrivedTick]
    /// `ticks` has everything that arrived with event times in [since, until). Undefined: the
    /// arrivals before, or after, the outage are unknown, because another process received them.
    /// Then nothing is added to a second that the outage covers in part only. Nothing is added to
    /// the last seconds either, because their late ticks may have arrived after the outage.
    package var since: Timestamp
    package var until: Timestamp

    /// Nothing is known: another process received the ticks, or they were not kept.
    package static let unknown = Arrivals([], since: .undefined, until: .undefined)

    /// Some of the ticks stand for several ticks of history.
    var areConflated: Bool { ticks.contains(where: \.isConflated) }

    package init(_ ticks: [ArrivedTick], since: Timestamp, until: Timestamp) {
        self.ticks = ticks
        self.since = since
        self.until = until
    }
}
