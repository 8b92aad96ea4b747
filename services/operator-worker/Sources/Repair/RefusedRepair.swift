import MarketModel
import Primitives
import StreamCore
import TapeCodec
import TapeProtocol

/// The ranges of one packet that are refused for one reason, as a summary of fixed size, however
/// many ranges they are. A range is a dirty range.
struct RefusedRanges: Hashable, Sendable {
    let reason: RepairRefusal
    /// The number of ranges.
    private(set) var count = 0
    /// The symbol of the first range.
    private(set) var symbol: UInt32
    /// The symbols of the ranges, each once and in their order: one for each source of a symbol.
    /// Empty when there are more than `symbolsMax`.
    private(set) var symbols: [UInt32]
    /// The earliest and the latest time of all ranges, in nanoseconds since 1970.
    private(set) var from: Int64
    private(set) var to: Int64

    /// The maximum number of sources of one symbol for which a refusal names the symbol.
    static let symbolsMax = 64

    init(_ reason: RepairRefusal, _ first: DirtyRange) {
        self.reason = reason
        (symbol, from, to) = (first.symbol, first.from, first.to)
        symbols = [first.symbol]
        add(first)
    }

    /// Summarises several ranges; `nil` when there are none.
    init?(_ reason: RepairRefusal, _ ranges: [DirtyRange]) {
        guard let first = ranges.first else { return nil }
        self.init(reason, first)
        for range in ranges.dropFirst() { add(range) }
    }

    mutating func add(_ range: DirtyRange) {
        count += 1
        add(range.symbol)
        from = min(from, range.from)
        to = max(to, range.to)
    }

    mutating func add(_ others: RefusedRanges) {
        count += others.count
        if others.symbols.isEmpty { symbols = [] }
        for symbol in others.symbols { add(symbol) }
        from = min(from, others.from)
        to = max(to, others.to)
    }

    private mutating func add(_ symbol: UInt32) {
        guard !symbols.isEmpty, !symbols.contains(symbol) else { return }
        symbols.append(symbol)
        if symbols.count > Self.symbolsMax { symbols = [] }
    }

    /// Returns whether all ranges are of one symbol, whatever its sources.
    func areOfOneSymbol(_ table: SymbolTable) -> Bool {
        let name = table.pair(at: symbol).symbol
        return !symbols.isEmpty && symbols.allSatisfy { table.pair(at: $0).symbol == name }
    }
}

extension RefusedRepair {
    /// Makes the refusal that is published. `sequence` is that of the packet with the request.
    init(_ ranges: RefusedRanges, sequence: UInt64) {
        self.init(
            ranges.reason, sequence: sequence, from: Timestamp(nanoseconds: ranges.from),
            to: Timestamp(nanoseconds: ranges.to))
    }

    /// Reads the refusal at an ordinal of a packet of bars; `nil` when the record there is
    /// something else.
    init?(at ordinal: UInt64, of header: PacketHeader, in packet: borrowing RawSpan) {
        var walk = PacketWalk(header)
        while let item = walk.next(in: packet) {
            guard case .other(let message) = item, walk.ordinal == ordinal else { continue }
            guard let value = message.indicatorValue(in: packet) else { return nil }
            self.init(value)
            return
        }
        return nil
    }
}
