internal import MarketModel

/// The highest places that a process has answered, so that no later answer is older, as after a
/// loss in Valkey.
package struct LatestMemory {
    /// The most values that are remembered. At one more all are forgotten: the next answer of each
    /// is taken as its first one.
    static let valuesMax = 65_536

    private struct Key: Hashable {
        let symbol: Symbol
        let source: SourceName?
        let kind: String
        /// Ordinals of two lanes are not compared. Bars have an order of their own.
        let lane: SourceName?
    }

    private enum Place {
        case ordinal(UInt64)
        case order(String)

        func isBefore(_ other: Place) -> Bool {
            switch (self, other) {
            case (.ordinal(let own), .ordinal(let other)): own < other
            case (.order(let own), .order(let other)): own < other
            case (.ordinal, .order), (.order, .ordinal): false
            }
        }
    }

    private var places: [Key: Place] = [:]

    package init() {}

    /// Notes the values, and takes those away that are older than what was answered before.
    package mutating func admit(_ values: inout [LatestValue]) {
        for index in values.indices where values[index].unknown == nil {
            let value = values[index]
            let isBar = value.kind.hasPrefix("bar")
            let key = Key(
                symbol: value.symbol, source: value.source, kind: value.kind,
                lane: isBar ? nil : value.lane)
            let place = isBar ? Place.order(value.order) : .ordinal(value.ordinal ?? 0)
            if let before = places[key], place.isBefore(before) {
                values[index] = LatestValue(
                    symbol: value.symbol, source: value.source, kind: value.kind,
                    unknown: "Valkey has an older one than was shown before")
                continue
            }
            if places[key] == nil, places.count >= Self.valuesMax { places.removeAll() }
            places[key] = place
        }
    }
}
