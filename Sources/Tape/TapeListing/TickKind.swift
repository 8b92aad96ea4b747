import TapeCodec

/// A kind of message of the tape, by its name on the command line.
enum TickKind: Hashable, Sendable {
    case record(RecordKind)
    /// A tick of a kind that this version does not know.
    case unknown
    /// The first packet of an epoch.
    case marker
    case watermark

    static let all = RecordKind.allCases.map(Self.record) + [.unknown, .marker, .watermark]

    /// True if the packet carries no tick.
    var isControl: Bool { self == .marker || self == .watermark }
    /// True if it is derived and published on `md.bars.*`.
    var isDerived: Bool { if case .record(let kind) = self { kind.isDerived } else { false } }

    var name: String {
        switch self {
        case .record(let kind): kind.rawValue
        case .unknown: "unknown"
        case .marker: "marker"
        case .watermark: "watermark"
        }
    }

    init?(name: String) {
        guard let kind = Self.all.first(where: { $0.name == name }) else { return nil }
        self = kind
    }

    init(template: UInt16) {
        self = RecordKind(template: template).map(Self.record) ?? .unknown
    }
}
