import MarketModel
import Primitives
import TapeCodec

/// One message of the tape as a list of named values, from which all three formats are made. The
/// list is reused for the next message.
struct TailTick {
    var kind = TickKind.record(.trade)
    var symbol = ""
    /// The time of the message, or the packet's if it has none.
    var time = Timestamp.undefined
    var source = SourceName.operator {
        // The text is made once per source and not per tick.
        didSet { if source != oldValue { sourceText = source.text } }
    }
    private(set) var sourceText = SourceName.operator.text
    /// False if the message is not on the tape, such as a bar of an open window. Source, partition,
    /// ordinal, epoch and sequence then mean nothing.
    var isOnTape = true
    var partition = Partition(0)
    /// `nil` for a message without an ordinal.
    var ordinal: UInt64?
    var epoch: UInt64 = 0
    var sequence: UInt64 = 0
    var fields: [RecordField] = []
}
