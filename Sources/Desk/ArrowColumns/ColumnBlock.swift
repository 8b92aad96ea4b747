/// The most rows of one batch.
package enum BatchLimits {
    package static let rowsMax = 65_536
}

/// Gives fresh memory for batches to a decoder whose reader keeps the batches before. To touch it
/// for the first time may cost more than to write the rows.
///
/// Safety: the memory is made by `UnsafeMutableRawPointer.allocate`, and the decoder frees it.
@safe
package struct BatchMemory: Sendable {
    /// How much memory a batch needs.
    package struct Request: Equatable, Sendable {
        /// The bytes of all columns.
        package let byteCount: Int
        /// So many bytes at the beginning will be written.
        package let writtenBytes: Int
        /// So many bytes at the beginning are whole large pages; 0: it is too little memory.
        package let largeBytes: Int
    }

    static let largePageBytes = 2 << 20
    fileprivate let allocate: @Sendable (Request) -> UnsafeMutableRawPointer

    package init(_ allocate: @escaping @Sendable (Request) -> UnsafeMutableRawPointer) {
        unsafe self.allocate = allocate
    }
}

extension BatchMemory.Request {
    /// The last large page is left out if most of it would be wasted.
    fileprivate init(_ byteCount: Int, written: Int) {
        let page = BatchMemory.largePageBytes
        let above = (written + page - 1) / page * page
        largeBytes = above - written <= written / 8 ? above : above - page
        writtenBytes = written
        self.byteCount = max(byteCount, largeBytes, ColumnBlock.alignment)
    }

    /// Returns such memory. Nothing has touched it.
    package func allocated() -> UnsafeMutableRawPointer {
        UnsafeMutableRawPointer.allocate(
            byteCount: byteCount,
            alignment: largeBytes > 0 ? BatchMemory.largePageBytes : ColumnBlock.alignment)
    }
}

/// The memory of the columns of one batch, one after the other.
///
/// Safety: the pointer is valid as long as the block. Who writes rows keeps below its capacity.
@safe
final class ColumnBlock {
    /// Arrow recommends it for the beginning of a buffer.
    fileprivate static let alignment = 64

    let capacity: Int
    private let base: UnsafeMutableRawPointer
    /// The offset of each column.
    private let offsets: [Int]

    /// Columns that are not wanted come after the others: their memory need not be prepared.
    init(
        _ columns: [ColumnLayout], rows capacity: Int, wanted: Set<Int>,
        _ memory: BatchMemory? = nil
    ) {
        self.capacity = capacity
        var offsets = columns.map { _ in 0 }
        var (byteCount, wantedBytes) = (0, 0)
        for isWanted in [true, false] {
            for place in columns.indices where wanted.contains(place) == isWanted {
                offsets[place] = byteCount
                // One value more, for the end of the last text.
                let count = (capacity + 1) * columns[place].width
                byteCount += (count + Self.alignment - 1) / Self.alignment * Self.alignment
            }
            if isWanted { wantedBytes = byteCount }
        }
        self.offsets = offsets
        if let memory {
            unsafe base = memory.allocate(
                BatchMemory.Request(byteCount, written: wantedBytes))
        } else {
            unsafe base = UnsafeMutableRawPointer.allocate(
                byteCount: max(byteCount, Self.alignment), alignment: Self.alignment)
        }
    }

    deinit { unsafe base.deallocate() }

    /// Returns the first value of a column.
    func start(of column: Int) -> UnsafeMutableRawPointer { unsafe base + offsets[column] }

    /// Returns a block of just these rows, and of the columns at these places.
    func copy(_ columns: [ColumnLayout], rows: Int, places: Set<Int>) -> ColumnBlock {
        let block = ColumnBlock(columns, rows: rows, wanted: places)
        for place in places {
            let column = columns[place]
            let count = (rows + (column.form == .bytes ? 1 : 0)) * column.width
            unsafe block.start(of: place).copyMemory(from: start(of: place), byteCount: count)
        }
        return block
    }
}

// What is known of rows as soon as they are written, while they are in the processor's cache.
extension ColumnBlock {
    /// What has to be done to a column of new rows.
    struct Check {
        let place: Int
        let missing: ColumnLayout.Missing
        let width: Int
        /// The decimals of a column of floats; 0: it has no floats.
        let decimals: Int

        /// `nil`: nothing has to be done.
        init?(_ column: ColumnLayout, at place: Int) {
            self.place = place
            missing = column.missing
            width = column.width
            if case .float(let decimals) = column.form {
                self.decimals = decimals
            } else {
                decimals = 0
            }
            if missing == .never, decimals == 0 { return nil }
        }
    }

    /// Whether one of the rows has no value in a column.
    func isMissing(_ check: Check, in rows: Range<Int>) -> Bool {
        let start = unsafe start(of: check.place)
        switch (check.missing, check.width) {
        case (.never, _): return false
        case (.highest, 16): return unsafe Self.has(Int128.max, start, rows)
        case (.highest, _): return unsafe Self.has(Int64.max, start, rows)
        case (.zero, _): return unsafe Self.has(Int64(0), start, rows)
        case (.negative, _): return unsafe Self.has(Int32(-1), start, rows)
        }
    }

    private static func has<Value: FixedWidthInteger & BitwiseCopyable>(
        _ missing: Value, _ start: UnsafeMutableRawPointer, _ rows: Range<Int>
    ) -> Bool {
        let values = unsafe start.assumingMemoryBound(to: Value.self)
        // Its highest bit is set if a value is the missing one: only 0 less 1 becomes negative
        // while it was not. The compiler makes vectors of this loop.
        var found: Value = 0
        var row = rows.lowerBound
        while row < rows.upperBound {
            let difference = unsafe values[row] ^ missing
            found |= (difference &- 1) & ~difference
            row &+= 1
        }
        return found < 0
    }

    /// Divides the integers of rows in their places. They are made floats first, as Python makes
    /// them, so that the results are the same. A value that is missing stays as it is: no result
    /// has its bits.
    func makeFloats(_ check: Check, in rows: Range<Int>) {
        let values = unsafe start(of: check.place).assumingMemoryBound(to: Int64.self)
        var power = 1.0
        for _ in 0..<check.decimals { power *= 10 }
        for row in rows {
            let value = unsafe values[row]
            let bits = Int64(bitPattern: (Double(value) / power).bitPattern)
            unsafe values[row] = value == .max ? value : bits
        }
    }
}

/// One column of a block, while rows are written.
///
/// Safety: the decoder makes sure before each packet that all its rows fit into the block, and
/// keeps the block as long as its columns.
@safe
struct Column<Value: BitwiseCopyable> {
    private let values: UnsafeMutablePointer<Value>
    /// Whether a batch has the column. Otherwise it need not be written.
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
