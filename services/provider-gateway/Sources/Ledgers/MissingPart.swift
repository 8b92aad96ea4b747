import MarketModel
import Primitives

/// An interval in which one kind of data is missing on the tape, and which was neither filled nor
/// given up there.
struct MissingPart: Hashable, Sendable {
    /// Ticks that were fetched for the part but have no gap record: the gateway was killed after it
    /// wrote the ticks and before it wrote the record.
    struct Begun: Hashable, Sendable {
        /// All ticks before this time are there, because they come in the order of their times.
        var done: Timestamp
        /// It is unknown how many ticks from `done` to this time are there.
        var doubtful: Timestamp
        /// Whether bars came as a substitute for ticks.
        var areBars: Bool
    }

    /// A raw `DataKind` and a raw `GapReason`, as this version may not know all of them.
    var kind: UInt8
    var reason: UInt8
    /// The interval is [from, to). `to` is undefined while the gap lasts.
    var from: Timestamp
    var to: Timestamp
    /// `nil` when no such ticks were noted.
    var begun: Begun?
    /// The ids of the trades that it lacks when it is handed over. Empty: all have come; `nil`:
    /// they are not known.
    var ids: Range<UInt64>?

    var hasEnded: Bool { to.isDefined }

    func overlaps(_ from: Timestamp, _ to: Timestamp) -> Bool { self.from < to && from < self.to }

    /// Notes a fetched tick that may be there to fill the part.
    mutating func note(_ tick: FetchedTick) {
        guard from <= tick.time, tick.time < to,
            kind == tick.kind.rawValue || kind == DataKind.any.rawValue
        else { return }
        guard begun.map({ tick.time >= $0.done }) ?? true else { return }
        begun = Begun(
            done: tick.time,
            doubtful: tick.time.advanced(byNanoseconds: Self.nanoseconds(tick.resolution)),
            areBars: tick.isBar && kind != DataKind.providerBar.rawValue)
    }

    /// Returns the span that a stamp of this resolution covers. An unknown resolution is treated as
    /// one second.
    private static func nanoseconds(_ resolution: UInt8) -> Int64 {
        switch TimeResolution(rawValue: resolution) {
        case .nanosecond: 1
        case .microsecond: 1_000
        case .millisecond: 1_000_000
        case .second, .unknown, nil: 1_000_000_000
        case .minute: 60_000_000_000
        case .day: 86_400_000_000_000
        }
    }
}

/// The missing parts of one instrument, of all kinds. Two parts of the same kind never overlap.
struct MissingParts: Hashable, Sendable {
    private(set) var parts: [MissingPart] = []

    init(_ parts: [MissingPart] = []) { self.parts = parts }

    /// Adds a gap that was reported, or its end. A gap that is reported again or overlaps a known
    /// one is merged with it, and the later end is valid. But stamps are coarse, so an outage may
    /// begin in the last second of an earlier one. It then begins at the end of the earlier one:
    /// data came in between, and one merged gap would hide them.
    mutating func add(_ reported: MissingPart) {
        var part = reported
        for known in parts
        where known.kind == part.kind && known.hasEnded && known.from < part.from {
            part.from = max(part.from, known.to)
        }
        guard part.from < part.to else { return }
        var whole = part
        parts.removeAll { known in
            guard known.kind == part.kind, known.overlaps(part.from, part.to) else { return false }
            if known.from <= whole.from { whole.begun = known.begun ?? whole.begun }
            whole.from = min(whole.from, known.from)
            // A known gap without an end gets the reported one: there is one gap of a kind at a
            // time.
            if known.hasEnded { whole.to = max(whole.to, known.to) }
            return true
        }
        parts.append(whole)
    }

    /// Removes an interval that was filled or given up. Kind `any` means all kinds.
    mutating func settle(_ kind: UInt8, _ from: Timestamp, _ to: Timestamp) {
        guard parts.contains(where: { Self.isMeant($0, kind, from, to) }) else { return }
        var rest: [MissingPart] = []
        for part in parts {
            guard Self.isMeant(part, kind, from, to) else {
                rest.append(part)
                continue
            }
            if part.from < from {
                var before = part
                before.to = from
                if let begun = part.begun, begun.done >= from { before.begun = nil }
                rest.append(before)
            }
            if to < part.to {
                var after = part
                after.from = to
                if let begun = part.begun, begun.done < to { after.begun = nil }
                rest.append(after)
            }
        }
        parts = rest
    }

    /// Returns whether a record about this kind and interval concerns the part.
    private static func isMeant(
        _ part: MissingPart, _ kind: UInt8, _ from: Timestamp, _ to: Timestamp
    ) -> Bool {
        (part.kind == kind || kind == DataKind.any.rawValue) && part.overlaps(from, to)
    }

    /// Notes a tick of a backfill.
    mutating func note(_ tick: FetchedTick) {
        for index in parts.indices { parts[index].note(tick) }
    }
}
