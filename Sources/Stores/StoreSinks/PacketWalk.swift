internal import Primitives
public import TapeCodec

extension PacketContext {
    /// Calls `visit` with each tick of a packet and its ordinal. Ticks that are neither trade,
    /// quote nor bar come as `.other`.
    ///
    /// It is inlined into its callers, because every row of the writer goes through it.
    @inlinable
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
