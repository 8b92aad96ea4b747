internal import MarketModel
internal import Primitives
public import TapeCodec

/// The ticks of one packet with what their rows need beside them.
public struct PacketContext {
    public let header: PacketHeader
    /// What the packet defines, by index.
    public private(set) var symbols: [SymbolDefinition?] = []
    public private(set) var series: [SeriesDefinition?] = []

    public init(_ header: PacketHeader) { self.header = header }

    public func symbol(_ index: UInt32) -> SymbolDefinition? {
        index < symbols.count ? symbols[Int(index)] : nil
    }

    public func series(_ index: UInt16) -> SeriesDefinition? {
        index < series.count ? series[Int(index)] : nil
    }

    mutating func define(_ message: MessageBounds, in packet: RawSpan) {
        if let (index, definition) = message.symbolDefinition(in: packet),
            index < PacketLimits.definitionsMax
        {
            while symbols.count <= index { symbols.append(nil) }
            symbols[Int(index)] = definition
        } else if let (index, definition) = message.seriesDefinition(in: packet),
            index < PacketLimits.definitionsMax
        {
            while series.count <= index { series.append(nil) }
            series[Int(index)] = definition
        }
    }
}

extension PacketContext {
    /// Calls `visit` with each tick of a packet and its ordinal; those that are neither trade,
    /// quote nor bar come as `.other`.
    public mutating func walk<Failure: Error>(
        _ packet: RawSpan,
        _ visit: (borrowing PacketContext, Record, _ ordinal: UInt64) throws(Failure) -> Void
    ) throws(Failure) {
        var ordinal = header.firstOrdinal
        var cursor = RecordCursor()
        while let record = cursor.next(in: packet) {
            switch record {
            case .trade, .quote, .bar:
                try visit(self, record, ordinal)
                ordinal &+= 1
            case .other(let message):
                if WireFormat.Template.isTick(message.template) {
                    try visit(self, record, ordinal)
                    ordinal &+= 1
                } else {
                    define(message, in: packet)
                }
            case .malformed: return
            }
        }
    }
}

extension Timestamp {
    /// Where a tick without a usable time stands in tables that are cut by time.
    var storable: Timestamp { isDefined ? self : Timestamp(nanoseconds: 0) }
}
