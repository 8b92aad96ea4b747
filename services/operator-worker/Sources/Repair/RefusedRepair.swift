import MarketModel
import Primitives
import StreamCore
import TapeCodec

/// Why bars are not computed again. These names stand on the tape, and label a metric.
enum RepairRefusal: String, CaseIterable, Sendable {
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
}

/// Ranges of one packet that are refused for one reason: all that is kept of them, however many
/// they are.
struct RefusedRanges: Hashable, Sendable {
    let reason: RepairRefusal
    private(set) var count = 0
    /// The first one's.
    private(set) var symbol: UInt32
    private(set) var isOfOneSymbol = true
    private(set) var from: Int64
    private(set) var to: Int64

    init(_ reason: RepairRefusal, _ first: DirtyRange) {
        self.reason = reason
        (symbol, from, to) = (first.symbol, first.from, first.to)
        add(first)
    }

    /// Nil without a range.
    init?(_ reason: RepairRefusal, _ ranges: [DirtyRange]) {
        guard let first = ranges.first else { return nil }
        self.init(reason, first)
        for range in ranges.dropFirst() { add(range) }
    }

    mutating func add(_ range: DirtyRange) {
        count += 1
        isOfOneSymbol = isOfOneSymbol && range.symbol == symbol
        from = min(from, range.from)
        to = max(to, range.to)
    }

    mutating func add(_ others: RefusedRanges) {
        count += others.count
        isOfOneSymbol = isOfOneSymbol && others.isOfOneSymbol && others.symbol == symbol
        from = min(from, others.from)
        to = max(to, others.to)
    }
}

/// A refusal as it stands on the tape of bars: output with an ordinal, like a bar. So whoever
/// computes the same input later comes to the same verdict, whatever the tape of ticks holds by
/// then, and whoever asked can read it.
struct RefusedRepair: Hashable, Sendable {
    static let namePrefix = "repair.refused."
    private static let unit: Int128 = 1_000_000_000

    var reason: RepairRefusal
    /// Of the packet that asked for the repair.
    var sequence: UInt64
    /// Over all its ranges.
    var from: Int64
    var to: Int64

    init(_ ranges: RefusedRanges, sequence: UInt64) {
        reason = ranges.reason
        self.sequence = sequence
        (from, to) = (ranges.from, ranges.to)
    }

    /// Nil: the value is something else.
    init?(_ value: IndicatorValue) {
        guard value.name.hasPrefix(Self.namePrefix),
            let reason = RepairRefusal(
                rawValue: String(value.name.dropFirst(Self.namePrefix.count))),
            let sequence = UInt64(exactly: value.value / Self.unit)
        else { return nil }
        self.reason = reason
        self.sequence = sequence
        (from, to) = (value.periodStart.nanoseconds, value.periodEnd.nanoseconds)
    }

    /// Nobody reads a clock for it: its time is the end of what it is about.
    func value(symbol: UInt32, revision: UInt32) -> IndicatorValue {
        let (start, end) = (Timestamp(nanoseconds: from), Timestamp(nanoseconds: to))
        return IndicatorValue(
            header: TickHeader(symbol: symbol, providerTime: end, receiveTime: end),
            name: Self.namePrefix + reason.rawValue, value: Int128(sequence) * Self.unit,
            periodStart: start, periodEnd: end, revision: revision)
    }
}

extension RefusedRepair {
    /// What stands at an ordinal of a packet of bars; nil: it is something else.
    init?(at ordinal: UInt64, of header: PacketHeader, in packet: borrowing RawSpan) {
        var next = header.firstOrdinal
        var cursor = RecordCursor()
        while let record = cursor.next(in: packet) {
            switch record {
            case .bar, .trade, .quote: next &+= 1
            case .other(let message):
                guard WireFormat.Template.isTick(message.template) else { continue }
                if next == ordinal {
                    guard let value = message.indicatorValue(in: packet) else { return nil }
                    self.init(value)
                    return
                }
                next &+= 1
            case .malformed: return nil
            }
        }
        return nil
    }
}
