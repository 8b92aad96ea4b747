import MarketModel
import Primitives

/// The newest values of an instrument on the tape, of a provider that publishes what has changed:
/// so that its successor does not publish them again.
struct LastValues: Equatable, Sendable {
    struct Value: Equatable, Sendable {
        var periodStart: Timestamp
        /// In 1e-9.
        var value: Int128
        var revision: UInt64
    }

    /// Beyond it the oldest period is forgotten: then its value may be published again.
    static let countMax = 16

    /// By their periods, oldest first.
    private(set) var values: [Value] = []

    init(_ values: [Value] = []) {
        for value in values { take(value) }
    }

    /// Takes a value that is on the tape. The last one of a period is valid.
    mutating func take(_ value: Value) {
        guard let place = values.firstIndex(where: { $0.periodStart >= value.periodStart }) else {
            values.append(value)
            if values.count > Self.countMax { values.removeFirst() }
            return
        }
        if values[place].periodStart == value.periodStart {
            values[place] = value
        } else if values.count < Self.countMax {
            values.insert(value, at: place)
        } else if place > 0 {
            values.insert(value, at: place)
            values.removeFirst()
        }
    }
}
