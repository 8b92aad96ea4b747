internal import MarketModel
package import PostgresClient
package import Primitives
package import TapeCodec

/// Where the values of rows go, column by column. Each kind of store has its own.
///
/// Call `row(columns:)`, then write exactly that many values, in the order and the types of the
/// table's columns. It is called per value, so only code that is made for one kind may call it:
/// a generic function that the compiler specialises, never `any RowWriter`.
package protocol RowWriter: ~Copyable {
    /// Why rows cannot be taken any more.
    associatedtype Failure: Error

    /// Begins a row with this number of values.
    mutating func row(columns: Int16) throws(Failure)

    /// No value.
    mutating func null()
    mutating func bool(_ value: Bool)
    mutating func int16(_ value: Int16)
    mutating func int32(_ value: Int32)
    mutating func int64(_ value: Int64)
    mutating func text(_ value: String)
    /// A text as it is on the tape, or the bytes of a record.
    mutating func text(_ value: RawSpan)
    /// A text of up to eight characters: the bytes of a word, the first in the lowest byte.
    mutating func packedText(_ word: UInt64)
    mutating func bytes(_ value: [UInt8])
    /// A document of JSON.
    mutating func jsonb(_ text: String)
    /// A time in microseconds, rounded down; undefined is no value.
    mutating func timestamptz(_ value: Timestamp)
    /// The number value × 10^-scale; the next writes the same for 64 bits.
    mutating func numeric(_ value: Int128, scale: Int)
    mutating func decimal(_ value: Int64, scale: Int)
    /// A whole number, which may be beyond an `int64`.
    mutating func unsigned(_ value: UInt64)
    /// A text that many rows share (`CopyFields.withText`).
    mutating func shared(_ place: CopyFields.Place, of fields: borrowing CopyFields)
    /// The columns `source, partition, epoch` of a packet, the partition as an `int32`.
    mutating func origin(of context: borrowing PacketContext)
    /// The same columns with the partition as an `int16`.
    mutating func narrowOrigin(of context: borrowing PacketContext)
}

/// What a store does whose numbers have one width.
extension RowWriter where Failure == Never {
    @inline(__always)
    package mutating func int16(_ value: Int16) { int64(Int64(value)) }
    @inline(__always)
    package mutating func int32(_ value: Int32) { int64(Int64(value)) }
    @inline(__always)
    package mutating func decimal(_ value: Int64, scale: Int) {
        numeric(Int128(value), scale: scale)
    }
    @inline(__always)
    package mutating func unsigned(_ value: UInt64) { numeric(Int128(value), scale: 0) }
    @inline(__always)
    package mutating func origin(of context: borrowing PacketContext) {
        text(context.header.source.text)
        int64(Int64(context.header.partition.number))
        int64(Int64(bitPattern: context.header.epoch))
    }
    @inline(__always)
    package mutating func narrowOrigin(of context: borrowing PacketContext) {
        origin(of: context)
    }
}

extension BinaryCopyWriter: RowWriter {
    package typealias Failure = PostgresError

    @inline(__always)
    package mutating func origin(of context: borrowing PacketContext) {
        shared(context.origin, of: context.fields)
    }

    @inline(__always)
    package mutating func narrowOrigin(of context: borrowing PacketContext) {
        shared(context.narrowOrigin, of: context.fields)
    }
}

/// How the records of one table become rows, for any kind of store.
package protocol TableRow: SendableMetatype {
    /// Writes a record as a row. Returns false, and writes nothing, when the record does not belong
    /// to this table, is damaged, or refers to a symbol or series that its packet does not define.
    static func write<Row: RowWriter & ~Copyable>(
        _ record: Record, _ context: borrowing PacketContext, _ packet: RawSpan,
        _ ordinal: UInt64, _ row: inout Row
    ) throws(Row.Failure) -> Bool
}
