/// The rows of one kind that wait to be taken.
struct RowBuffer<Columns: RowColumns> {
    private var block: ColumnBlock
    private(set) var columns: Columns
    private(set) var rows = 0

    init() { (block, columns) = Self.empty() }

    private static func empty() -> (ColumnBlock, Columns) {
        let layout = Columns.kind.columns
        let block = ColumnBlock(layout, rows: BatchLimits.rowsMax)
        var cursor = ColumnCursor(block, layout)
        return (block, Columns(&cursor))
    }

    /// Keeps the rows of a packet, which were written up to `end`.
    mutating func keep(to end: Int, _ packet: PacketValues) {
        columns.fill(rows..<end, packet)
        rows = end
    }

    /// Returns the rows and begins a new batch; `nil` when there are none. `text` has the bytes of
    /// the column that has a text per row.
    mutating func take(_ texts: inout RowTexts, text: [UInt8] = []) -> ColumnBatch? {
        guard rows > 0 else { return nil }
        let layout = Columns.kind.columns
        let pages = layout.map { column -> TextPage? in
            if case .text(let kind) = column.form { texts.page(kind) } else { nil }
        }
        let taken: ColumnBlock
        // A small batch does not keep the memory of a large one.
        if rows <= block.capacity / 4 {
            taken = block.copy(layout, rows: rows)
        } else {
            taken = block
            (block, columns) = Self.empty()
        }
        defer { rows = 0 }
        return ColumnBatch(Columns.kind, taken, rows: rows, pages, text: text)
    }
}
