/// The rows of one batch, column by column, with which nothing happens any more.
///
/// Safety: nothing changes after `init`, and the memory lives as long as the batch.
@safe
package final class ColumnBatch: @unchecked Sendable {
    /// The columns. All places here are those in it.
    package let shape: ColumnShape
    package let rows: Int
    private let block: ColumnBlock
    private let nulls: [Nulls?]
    private let pages: [TextPage?]
    private let text: TextPage

    /// The rows of a column that have no value.
    private struct Nulls {
        let count: Int
        /// A bit per row, set where there is a value. It is a text page for its memory alone.
        let bits: TextPage
    }

    /// Takes a block over. `pages` has the texts of each column of texts, `text` the bytes of a
    /// column with a text per row, and `missing` says by place whether a row has no value.
    init(
        _ shape: ColumnShape, _ block: ColumnBlock, rows: Int, _ pages: [TextPage?], text: [UInt8],
        missing: [Bool]
    ) {
        self.shape = shape
        self.rows = rows
        self.block = block
        self.pages = pages
        self.text = TextPage(ends: [], bytes: text)
        nulls = zip(shape.places, shape.columns).map { place, column in
            missing[place] ? Self.nulls(block, place, column, rows: rows) : nil
        }
    }

    package func nullCount(of column: Int) -> Int { nulls[column]?.count ?? 0 }

    /// The bits of a column's values, valid as long as the batch; `nil`: all rows have one.
    package func validity(of column: Int) -> UnsafeRawPointer? {
        guard let nulls = nulls[column] else { return nil }
        return unsafe nulls.bits.buffers.bytes
    }

    /// The values of a column, valid as long as the batch.
    package func values(of column: Int) -> UnsafeRawPointer {
        unsafe UnsafeRawPointer(block.start(of: shape.places[column]))
    }

    /// The bytes of the column that has a text per row, valid as long as the batch.
    package var textBytes: UnsafeRawPointer? { unsafe text.buffers.bytes }

    /// The texts that a column's indexes mean; `nil` for other columns.
    package func texts(of column: Int) -> TextPage? { pages[column] }

    // MARK: rows without a value

    private static func nulls(
        _ block: ColumnBlock, _ place: Int, _ column: ColumnLayout, rows: Int
    ) -> Nulls? {
        let start = unsafe block.start(of: place)
        switch (column.missing, column.width) {
        case (.never, _): return nil
        case (.highest, 16): return unsafe nulls(start, rows, where: Int128.max)
        case (.highest, _): return unsafe nulls(start, rows, where: Int64.max)
        case (.zero, _): return unsafe nulls(start, rows, where: Int64(0))
        // An index has to be one of a text, also where there is none.
        case (.negative, _): return unsafe nulls(start, rows, where: Int32(-1), replacement: 0)
        }
    }

    private static func nulls<Value: FixedWidthInteger & BitwiseCopyable>(
        _ start: UnsafeMutableRawPointer, _ rows: Int, where missing: Value,
        replacement: Value? = nil
    ) -> Nulls {
        let values = unsafe start.assumingMemoryBound(to: Value.self)
        var bits = [UInt8](repeating: 0, count: (rows + 7) / 8)
        var present = 0
        for byte in bits.indices {
            var mask: UInt8 = 0
            for row in byte * 8..<min(byte * 8 + 8, rows) {
                let bit: UInt8 = unsafe values[row] == missing ? 0 : 1
                mask |= bit << UInt8(truncatingIfNeeded: row & 7)
            }
            bits[byte] = mask
            present += mask.nonzeroBitCount
        }
        if let replacement {
            for row in 0..<rows where unsafe values[row] == missing {
                unsafe values[row] = replacement
            }
        }
        return Nulls(count: rows - present, bits: TextPage(ends: [], bytes: bits))
    }
}
