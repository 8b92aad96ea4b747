package import TapeCodec

/// What tells a row apart within a partition of the tape.
package struct BlockKey: Hashable, Sendable {
    package let source: String
    package let ordinal: Int64

    package init(source: String, ordinal: Int64) {
        self.source = source
        self.ordinal = ordinal
    }
}

/// Rows of one table that a store without transactions takes as a whole or not at all. The same
/// records make the same block, to the byte.
package protocol StoreBlock: Sendable {
    /// The name of its table.
    var tableName: String { get }
    /// The part of the table, for stores that take rows of one part alone.
    var part: Int { get }
    var rowCount: Int { get }

    /// Continues a checksum with its rows.
    func digest(after previous: UInt64) -> UInt64
    /// Returns some of its rows.
    func rows(_ isWanted: [Bool]) -> Self
}

extension StoreBlock {
    package func rows(_ range: Range<Int>) -> Self {
        range.count == rowCount ? self : rows((0..<rowCount).map { range.contains($0) })
    }
}

/// Some of the rows that were collected, in their order.
package struct BlockPart<Block: StoreBlock>: Sendable {
    package let block: Block
    /// Which of all rows they are.
    package let rows: [Int]

    package init(block: Block, rows: [Int]) {
        self.block = block
        self.rows = rows
    }
}

/// Collects rows of one table for blocks of it.
package protocol BlockRowWriter: RowWriter, Sendable where Failure == Never {
    associatedtype Block: StoreBlock

    /// Makes a row of a record. Returns false when it is damaged, or refers to what its packet does
    /// not define.
    typealias Write =
        @Sendable (
            _ record: Record, _ context: borrowing PacketContext, _ packet: RawSpan,
            _ ordinal: UInt64, _ rows: inout Self
        ) -> Bool

    /// Returns what makes rows of a sink's records.
    static func write(of sink: Sink) -> Write

    /// Why the last row was left out: a column has no room for its value; `nil`: it stands.
    var unfit: UnfitValue? { get }

    /// Returns the rows as blocks, in order.
    func parts() -> [BlockPart<Block>]
}

/// A value for which a column has no room.
package struct UnfitValue: Hashable, Sendable {
    package let column: String
    /// A sentence for people.
    package let reason: String

    package init(column: String, reason: String) {
        self.column = column
        self.reason = reason
    }
}
