import MarketModel
import Primitives

/// The oldest end of the windows whose bars are in a packet, for the metric of bars' age. A lane
/// has one packet that is being filled, and at most one in flight.
///
/// Only the first version of a bar counts: a later one comes late by its nature.
struct WindowEnds {
    /// Of the packet that is being filled; `nil` while no first version is in it.
    private var filling: Timestamp?
    /// Of the packet in flight; `nil` when there is none, or it has no first version.
    private var inFlight: Timestamp?

    /// Notes a bar of the packet that is being filled.
    mutating func packed(_ bar: Bar) {
        guard bar.reason == BarReason.closed.rawValue else { return }
        filling = min(filling ?? bar.closeTime, bar.closeTime)
    }

    /// Notes that the packet was sent.
    mutating func sent() {
        inFlight = filling
        filling = nil
    }

    /// Notes that the packet in flight is on the tape. Returns its oldest end; `nil` for none.
    mutating func acknowledged() -> Timestamp? {
        defer { inFlight = nil }
        return inFlight
    }
}
