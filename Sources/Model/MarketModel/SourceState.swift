public import Primitives

/// What a partition says of a source or group in its packets of bars, for what is derived from the
/// bars of several sources.
public struct SourceState: Hashable, Sendable {
    /// Whether the source is there. The order is that of preference among members of a group.
    public enum Presence: UInt8, CaseIterable, Sendable {
        case present = 0
        case silent = 1
        case retired = 2
    }

    public var source: SourceName
    public var presence: Presence
    public var kind: SourceKind
    /// The watermark of a source that is not present: its bars up to this time are complete.
    /// Undefined while it is present.
    public var since: Timestamp
    /// The time up to which the bars of a source that is present are on the tape, with those of
    /// this packet. Undefined where it is not present, has given no watermark yet, or has bars that
    /// are not on the tape.
    public var watermark: Timestamp

    public init(
        source: SourceName, presence: Presence, kind: SourceKind, since: Timestamp,
        watermark: Timestamp = .undefined
    ) {
        self.source = source
        self.presence = presence
        self.kind = kind
        self.since = since
        self.watermark = watermark
    }

    /// Whether the source counts everywhere, so that what it is has to be kept by nobody.
    public var isUsual: Bool { presence == .present && kind == .real }

    /// Returns the state of a group of which this source and the other one are members.
    public func joined(with other: SourceState) -> SourceState {
        var joined = self
        if other.presence.rawValue < presence.rawValue { joined.presence = other.presence }
        if other.kind.number < kind.number { joined.kind = other.kind }
        joined.since = joined.presence == .present ? .undefined : max(since, other.since)
        // An undefined one is later than all others.
        joined.watermark = min(watermark, other.watermark)
        return joined
    }
}

extension SourceKind {
    /// Its number on the tape and in checkpoints, which never changes.
    public var number: UInt8 {
        switch self {
        case .real: 0
        case .delayed: 1
        case .madeUp: 2
        }
    }

    public init?(number: UInt8) {
        guard let kind = Self.allCases.first(where: { $0.number == number }) else { return nil }
        self = kind
    }
}
