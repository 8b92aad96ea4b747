/// The most rows of one batch.
package enum BatchLimits {
    package static let rowsMax = 65_536
}

/// The memory of the columns of one batch, one after the other.
///
/// Safety: the pointer is valid as long as the block. Who writes rows keeps below its capacity.
@safe
final class ColumnBlock {
    /// Arrow recommends it for the beginning of a buffer.
    private static let alignment = 64

    let capacity: Int
    private let base: UnsafeMutableRawPointer
    /// The offset of each column.
    private let offsets: [Int]

    init(_ columns: [ColumnLayout], rows capacity: Int) {
        self.capacity = capacity
        var offsets: [Int] = []
        var byteCount = 0
        for column in columns {
            offsets.append(byteCount)
            // One value more, for the end of the last text.
            let count = (capacity + 1) * column.width
            byteCount += (count + Self.alignment - 1) / Self.alignment * Self.alignment
        }
        self.offsets = offsets
        unsafe base = UnsafeMutableRawPointer.allocate(
            byteCount: max(byteCount, Self.alignment), alignment: Self.alignment)
    }

    deinit { unsafe base.deallocate() }

    /// Returns the first value of a column.
    func start(of column: Int) -> UnsafeMutableRawPointer { unsafe base + offsets[column] }

    /// Returns a block of just these rows.
    func copy(_ columns: [ColumnLayout], rows: Int) -> ColumnBlock {
        let block = ColumnBlock(columns, rows: rows)
        for (index, column) in columns.enumerated() {
            let count = (rows + (column.form == .bytes ? 1 : 0)) * column.width
            unsafe block.start(of: index).copyMemory(from: start(of: index), byteCount: count)
        }
        return block
    }
}

/// One column of a block, while rows are written.
///
/// Safety: the decoder makes sure before each packet that all its rows fit into the block, and
/// keeps the block as long as its columns.
@safe
struct Column<Value: BitwiseCopyable> {
    private let values: UnsafeMutablePointer<Value>
    /// Whether a batch has the column. Otherwise its memory need not be touched.
    let isWanted: Bool

    fileprivate init(_ values: UnsafeMutablePointer<Value>, isWanted: Bool) {
        unsafe self.values = values
        self.isWanted = isWanted
    }

    @inline(__always)
    func put(_ value: Value, at row: Int) { unsafe values[row] = value }

    func fill(_ rows: Range<Int>, with value: Value) {
        guard isWanted else { return }
        unsafe (values + rows.lowerBound).update(repeating: value, count: rows.count)
    }
}

/// Hands out the columns of a block in their order.
struct ColumnCursor {
    private let block: ColumnBlock
    private let columns: [ColumnLayout]
    private let wanted: Set<Int>
    private var place = 0

    /// `wanted`: the places of the columns that batches have.
    init(_ block: ColumnBlock, _ columns: [ColumnLayout], wanted: Set<Int>) {
        self.block = block
        self.columns = columns
        self.wanted = wanted
    }

    mutating func take<each Value: BitwiseCopyable>() -> (repeat Column<each Value>) {
        (repeat next((each Value).self))
    }

    private mutating func next<Value: BitwiseCopyable>(_: Value.Type) -> Column<Value> {
        precondition(
            place < columns.count && columns[place].width == MemoryLayout<Value>.size,
            "the columns of a row are not those of its layout")
        defer { place += 1 }
        return unsafe Column(
            block.start(of: place).bindMemory(to: Value.self, capacity: block.capacity + 1),
            isWanted: wanted.contains(place))
    }
}
