package import TapeCodec

/// A kind of message of the tape, by its name on the command line.
package enum TickKind: Hashable, Sendable {
    case record(RecordKind)
    /// A tick of a kind that this version does not know.
    case unknown
    /// The first packet of an epoch.
    case marker
    case watermark

    /// All of them, in the order in which they are listed.
    package static let all = RecordKind.allCases.map(Self.record) + [.unknown, .marker, .watermark]

    /// True if the packet carries no tick.
    package var isControl: Bool { self == .marker || self == .watermark }
    /// True if it is derived and published on `md.bars.*`.
    package var isDerived: Bool {
        if case .record(let kind) = self { kind.isDerived } else { false }
    }

    /// Its name on a command line and in JSON.
    package var name: String {
        switch self {
        case .record(let kind): kind.rawValue
        case .unknown: "unknown"
        case .marker: "marker"
        case .watermark: "watermark"
        }
    }

    /// Returns `nil` for a name of no kind.
    package init?(name: String) {
        guard let kind = Self.all.first(where: { $0.name == name }) else { return nil }
        self = kind
    }

    /// Returns the kind of a template of the tape.
    package init(template: UInt16) {
        self = RecordKind(template: template).map(Self.record) ?? .unknown
    }
}
