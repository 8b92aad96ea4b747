import MarketModel
import ProviderKit

/// The properties of the record that is due, known before it is taken.
struct DueRecord {
    /// The number of the record's symbol, or `noSymbol`.
    let symbol: Int
    /// The record's kind; `nil` for a record that is always taken.
    let kind: DataKind?
    /// Whether it shows that its instrument delivers now.
    let isOfNow: Bool

    /// The symbol number of a record that concerns no symbol.
    static let noSymbol = Int.max

    @inline(__always)
    fileprivate init(_ number: UInt32, _ kind: DataKind?, isOfNow: Bool = false) {
        symbol = number == TickHeader.noSymbol ? Self.noSymbol : Int(number)
        self.kind = kind
        self.isOfNow = isOfNow
    }

    @inline(__always)
    fileprivate init(_ header: TickHeader, _ kind: DataKind?) {
        self.init(
            header.symbol, kind,
            isOfNow: kind != nil && header.flags.isDisjoint(with: NewestTicks.notOfNow))
    }
}

extension ProviderRecord {
    /// What is known of the record before it is taken.
    @inline(__always)
    var due: DueRecord {
        switch self {
        case .tape(.trade(let tick)): return DueRecord(tick.header, .trade)
        case .tape(.quote(let tick)): return DueRecord(tick.header, .quote)
        case .tape(let other):
            guard let header = other.header else {
                return DueRecord(TickHeader.noSymbol, other.kind)
            }
            return DueRecord(header, other.kind)
        case .feed(let state): return DueRecord(state.instrument, nil)
        case .definition(let definition): return DueRecord(definition.instrument, nil)
        }
    }
}
