internal import MarketModel

/// The highest places that a process has answered, so that no later answer of the same lane is
/// older, as after a loss in Valkey.
package struct LatestMemory {
    /// So many values that were asked for last are remembered, and at most twice as many. Of one
    /// that is forgotten the next answer is taken as its first one.
    static let valuesMax = 65_536

    private struct Key: Hashable {
        let symbol: Symbol
        let source: SourceName?
        let kind: String
        /// Ordinals of two lanes are not compared. Bars have an order of their own.
        let lane: SourceName?
    }

    private struct Place {
        /// `nil`: of a bar.
        let ordinal: UInt64?
        /// On the tape; of what the database had, up to where it had the tape.
        let order: String
        let isOfDatabase: Bool

        func isBefore(_ other: Place) -> Bool {
            guard let ordinal, let others = other.ordinal else { return order < other.order }
            // After a tape was made again, ordinals begin lower. What the database had before gives
            // way to what came on the tape after it.
            let isAfter = other.isOfDatabase && !isOfDatabase && order > other.order
            return ordinal < others && !isAfter
        }
    }

    private let valuesMax: Int
    private var places: [Key: Place] = [:]
    /// Those of before `places`, which may be in it, too.
    private var earlier: [Key: Place] = [:]

    package init() { self.init(valuesMax: Self.valuesMax) }

    init(valuesMax: Int) { self.valuesMax = valuesMax }

    /// Notes the values, and takes those away that are older than what was answered before.
    package mutating func admit(_ values: inout [LatestValue]) {
        for index in values.indices where values[index].unknown == nil {
            let value = values[index]
            let isBar = value.kind.hasPrefix("bar")
            let key = Key(
                symbol: value.symbol, source: value.source, kind: value.kind,
                lane: isBar ? nil : value.lane)
            let place = Place(
                ordinal: isBar ? nil : value.ordinal ?? 0, order: value.order,
                isOfDatabase: value.isOfDatabase)
            let before = places[key] ?? earlier[key]
            if let before, place.isBefore(before) {
                remember(key, before)
                values[index] = LatestValue(
                    symbol: value.symbol, source: value.source, kind: value.kind,
                    unknown: "Valkey has an older one than was shown before")
                continue
            }
            remember(key, place)
        }
    }

    private mutating func remember(_ key: Key, _ place: Place) {
        if places[key] == nil, places.count >= valuesMax {
            earlier = places
            places = [:]
        }
        places[key] = place
    }
}
