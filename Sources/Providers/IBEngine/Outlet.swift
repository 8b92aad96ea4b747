internal import MarketModel
internal import Primitives

/// The way to one of the two sources that the engine fills: to that of live data, or to that of
/// delayed ones. Each has its own records, floor and gaps. `Turn` has both.
struct Outlet: Sendable {
    enum Kind: Hashable, Sendable { case live, delayed }

    /// The records of the caller's output during its call, otherwise empty.
    var records: [ProviderRecord] = []
    /// No later record has an earlier event time; undefined: that is not known of any time.
    private(set) var floor = Timestamp.undefined
    /// The open gaps.
    private(set) var outages = OutageStore()

    @inline(__always)
    mutating func put(_ record: TapeRecord) { records.append(record) }

    @inline(__always)
    mutating func put(_ record: ProviderRecord) { records.append(record) }

    /// Moves the floor to this time. It never moves back.
    mutating func moveFloor(to time: Timestamp) {
        floor = floor.isDefined ? max(floor, time) : time
    }

    /// Returns whether a record is older than the floor.
    @inline(__always)
    func isLate(_ header: TickHeader) -> Bool {
        floor.isDefined && header.eventTime < floor && !header.flags.contains(.backfilled)
    }

    // MARK: gaps

    /// Adds a gap record with this state. `detail`: for people.
    mutating func putGap(
        _ gap: OpenGap, _ state: GapState, _ detail: String = "", now: Timestamp
    ) {
        put(.gap(gap.record(state, detail: detail, now: now)))
    }

    /// Begins the gap of an outage, and adds its record. Returns false, and does nothing, when a
    /// gap of this instrument and kind is open already: that one includes it.
    @discardableResult
    mutating func beginGap(_ gap: OpenGap, _ detail: String, now: Timestamp) -> Bool {
        guard outages.begin(gap) else { return false }
        putGap(gap, .open, detail, now: now)
        return true
    }

    /// Begins a gap that is on the tape already.
    mutating func continueGap(_ gap: OpenGap) { outages.begin(gap) }

    /// Ends a gap at `to`, and adds its record. Returns `nil` when none is open.
    mutating func endGap(
        _ instrument: UInt32, _ kind: DataKind, to: Timestamp, now: Timestamp
    ) -> OpenGap? {
        guard let gap = outages.end(instrument, kind, to: to) else { return nil }
        putGap(gap, .open, now: now)
        return gap
    }

    /// Ends a gap that nothing fills, if one is open.
    mutating func abandonGap(
        _ instrument: UInt32, _ kind: DataKind, to: Timestamp, _ detail: String, now: Timestamp
    ) {
        guard let gap = endGap(instrument, kind, to: to, now: now) else { return }
        putGap(gap, .abandoned, detail, now: now)
    }
}
