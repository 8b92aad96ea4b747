package import MarketModel
package import Primitives
internal import TapeCodec

/// One message of the tape as a list of named values, for people and programs. The
/// list is reused for the next message.
package struct ListedTick {
    package var kind = TickKind.record(.trade)
    package var symbol = ""
    /// The time of the message, or the packet's if it has none.
    package var time = Timestamp.undefined
    package var source = SourceName.operator {
        // The text is made once per source and not per tick.
        didSet { if source != oldValue { sourceText = source.text } }
    }
    package private(set) var sourceText = SourceName.operator.text
    /// False if the message is not on the tape, such as a bar of an open window. Source, partition,
    /// ordinal, epoch and sequence then mean nothing.
    package var isOnTape = true
    package var partition = Partition(0)
    /// `nil` for a message without an ordinal.
    package var ordinal: UInt64?
    package var epoch: UInt64 = 0
    package var sequence: UInt64 = 0
    package var fields: [RecordField] = []

    /// Makes an empty one, to be filled again and again.
    package init() {}
}
