public import TapeCodec

/// All tables of the store, and those of them that are switched on.
public struct SinkCatalogue: Sendable {
    public static let all: [Sink] = [.trades, .quotes, .bars, .gaps]

    /// In the order in which a transaction writes them.
    public let sinks: [Sink]
    /// By a template's low byte: one more than the index of its sink, 0 for none.
    private var places = InlineArray<256, UInt8>(repeating: 0)

    public init(_ names: Set<SinkName> = Set(SinkName.allCases)) {
        sinks = Self.all.filter { names.contains($0.name) }
        for (index, sink) in sinks.enumerated() {
            for template in sink.templates { places[Int(template & 0xff)] = UInt8(index + 1) }
        }
    }

    /// Nil: none that is switched on takes it.
    public func index(of record: Record) -> Int? {
        guard let template = record.template else { return nil }
        let place = places[Int(template & 0xff)]
        guard place > 0, sinks[Int(place) - 1].templates.contains(template) else { return nil }
        return Int(place) - 1
    }
}

extension Record {
    /// Nil: it is damaged.
    var template: UInt16? {
        switch self {
        case .trade: WireFormat.Template.trade
        case .quote: WireFormat.Template.quote
        case .bar: WireFormat.Template.bar
        case .other(let message): message.template
        case .malformed: nil
        }
    }
}
