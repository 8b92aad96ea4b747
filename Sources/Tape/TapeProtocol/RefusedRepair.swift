public import MarketModel
public import Primitives

/// Why bars are not computed again. These names stand on the tape, and label a metric.
public enum RepairRefusal: Hashable, Sendable {
    /// The tape of ticks does not reach back so far.
    case retention
    /// Ordinals are missing in the middle of it.
    case missing
    /// It cannot be read, or was another one when it was read again.
    case unreadable
    /// The bars that stand there cannot be read back.
    case bars
    /// A range over too many days.
    case long
    /// A range that has not begun.
    case future
    /// Of an operator that is newer than this program.
    case other(String)

    private static let known: [RepairRefusal] = [
        .retention, .missing, .unreadable, .bars, .long, .future,
    ]

    public init(name: String) {
        self = Self.known.first { $0.name == name } ?? .other(name)
    }

    public var name: String {
        switch self {
        case .retention: "retention"
        case .missing: "missing"
        case .unreadable: "unreadable"
        case .bars: "bars"
        case .long: "long"
        case .future: "future"
        case .other(let name): name
        }
    }
}

/// A refusal as it stands on the tape of bars: output with an ordinal, like a bar. So whoever
/// computes the same input later comes to the same verdict, whatever the tape of ticks holds by
/// then, and whoever asked can read it.
public struct RefusedRepair: Hashable, Sendable {
    private static let namePrefix = "repair.refused."
    /// Indicator values are in 1e-9.
    private static let unit: Int128 = 1_000_000_000

    public var reason: RepairRefusal
    /// Of the packet that asked for the repair.
    public var sequence: UInt64
    /// Over all its ranges.
    public var from: Timestamp
    public var to: Timestamp

    public init(_ reason: RepairRefusal, sequence: UInt64, from: Timestamp, to: Timestamp) {
        self.reason = reason
        self.sequence = sequence
        self.from = from
        self.to = to
    }

    /// Nil: the value is something else.
    public init?(_ value: IndicatorValue) {
        guard value.name.hasPrefix(Self.namePrefix),
            let sequence = UInt64(exactly: value.value / Self.unit)
        else { return nil }
        self.init(
            RepairRefusal(name: String(value.name.dropFirst(Self.namePrefix.count))),
            sequence: sequence, from: value.periodStart, to: value.periodEnd)
    }

    /// Nobody reads a clock for it: its time is the end of what it is about.
    public func value(symbol: UInt32, revision: UInt32) -> IndicatorValue {
        IndicatorValue(
            header: TickHeader(symbol: symbol, providerTime: to, receiveTime: to),
            name: Self.namePrefix + reason.name, value: Int128(sequence) * Self.unit,
            periodStart: from, periodEnd: to, revision: revision)
    }
}
