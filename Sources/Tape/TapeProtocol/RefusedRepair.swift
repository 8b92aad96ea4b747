package import MarketModel
package import Primitives

/// Why a repair is refused: bars are not computed again. The names are stored on the tape, and are
/// labels of a metric.
package enum RepairRefusal: Hashable, Sendable {
    /// The tape of ticks does not reach back far enough.
    case retention
    /// The tape of ticks lacks ordinals in the middle of the range.
    case missing
    /// The range cannot be read, or it differed when it was read again.
    case unreadable
    /// The bars that were published for it cannot be read back.
    case bars
    /// The range spans too many days.
    case long
    /// The range has not begun.
    case future
    /// More ticks of a day were fetched later than a join can place.
    case fetched
    /// A refusal by an operator that is newer than this program.
    case other(String)

    private static let known: [RepairRefusal] = [
        .retention, .missing, .unreadable, .bars, .long, .future, .fetched,
    ]

    package init(name: String) {
        self = Self.known.first { $0.name == name } ?? .other(name)
    }

    package var name: String {
        switch self {
        case .retention: "retention"
        case .missing: "missing"
        case .unreadable: "unreadable"
        case .bars: "bars"
        case .long: "long"
        case .future: "future"
        case .fetched: "fetched"
        case .other(let name): name
        }
    }
}

/// A refused repair, which an operator publishes as an indicator value. It is output with an
/// ordinal, like a bar. So an owner that computes the same input again refuses the repair again,
/// whatever the tape of ticks holds by then. The requester can read it.
package struct RefusedRepair: Hashable, Sendable {
    private static let namePrefix = "repair.refused."
    /// The scale of indicator values: 1e-9.
    private static let unit: Int128 = 1_000_000_000

    package var reason: RepairRefusal
    /// The sequence of the packet that requested the repair.
    package var sequence: UInt64
    /// The span over all ranges of the request.
    package var from: Timestamp
    package var to: Timestamp

    package init(_ reason: RepairRefusal, sequence: UInt64, from: Timestamp, to: Timestamp) {
        self.reason = reason
        self.sequence = sequence
        self.from = from
        self.to = to
    }

    /// Reads a value from the tape of bars. Fails when the value is no refused repair.
    package init?(_ value: IndicatorValue) {
        guard value.name.hasPrefix(Self.namePrefix),
            let sequence = UInt64(exactly: value.value / Self.unit)
        else { return nil }
        self.init(
            RepairRefusal(name: String(value.name.dropFirst(Self.namePrefix.count))),
            sequence: sequence, from: value.periodStart, to: value.periodEnd)
    }

    /// Returns the refusal as an indicator value of the symbol with this number. Its times are the
    /// end of its range, so no clock is read.
    package func value(symbol: UInt32, revision: UInt64) -> IndicatorValue {
        IndicatorValue(
            header: TickHeader(symbol: symbol, providerTime: to, receiveTime: to),
            name: Self.namePrefix + reason.name, value: Int128(sequence) * Self.unit,
            periodStart: from, periodEnd: to, revision: revision)
    }
}
