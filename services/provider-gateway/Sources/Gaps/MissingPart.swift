import MarketModel
import Primitives

/// An interval of one kind of data that is missing on the tape, and was neither filled in nor
/// given up there.
struct MissingPart: Hashable, Sendable {
    /// Ticks that were fetched for the part, without the record that tells of them: whoever fetched
    /// them was killed in between.
    struct Begun: Hashable, Sendable {
        /// They come in the order of their times: all before this one are there.
        var done: Timestamp
        /// Of those up to here nobody knows how many are there.
        var doubtful: Timestamp
        /// They are bars, in the place of ticks.
        var areBars: Bool
    }

    /// A raw `DataKind`, and a raw `GapReason`: also of those that this version does not know.
    var kind: UInt8
    var reason: UInt8
    /// [from, to); `to` is undefined while it lasts.
    var from: Timestamp
    var to: Timestamp
    var begun: Begun?

    var hasEnded: Bool { to.isDefined }

    func overlaps(_ from: Timestamp, _ to: Timestamp) -> Bool { self.from < to && from < self.to }

    /// A fetched tick that may be there to fill it.
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

    /// How much of time a stamp stands for. What does not say so is taken for a coarse one.
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

/// What is missing of one instrument, whatever its kind: no two parts of a kind overlap.
struct MissingParts: Hashable, Sendable {
    private(set) var parts: [MissingPart] = []

    init(_ parts: [MissingPart] = []) { self.parts = parts }

    /// A gap is told of, or its end. What is told again, or overlaps what is known, is one with it;
    /// a later end holds. But an outage that begins in another one's last second, as stamps are
    /// coarse, begins at that one's end: data came in between, which as one gap they would hide.
    mutating func add(_ told: MissingPart) {
        var part = told
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
            // Who tells of an end means this one: there is one gap of a kind at a time.
            if known.hasEnded { whole.to = max(whole.to, known.to) }
            return true
        }
        parts.append(whole)
    }

    /// Was filled in, or will not be. `any`: of all kinds.
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
                var behind = part
                behind.from = to
                if let begun = part.begun, begun.done < to { behind.begun = nil }
                rest.append(behind)
            }
        }
        parts = rest
    }

    private static func isMeant(
        _ part: MissingPart, _ kind: UInt8, _ from: Timestamp, _ to: Timestamp
    ) -> Bool {
        (part.kind == kind || kind == DataKind.any.rawValue) && part.overlaps(from, to)
    }

    mutating func note(_ tick: FetchedTick) {
        for index in parts.indices { parts[index].note(tick) }
    }
}
