/// The memory for the rows of one kind that wait to be taken.
struct RowBuffer<Columns: RowColumns> {
    /// Whether the kind is decoded. Otherwise there is room for no row.
    let isWanted: Bool
    private var block: ColumnBlock
    private(set) var columns: Columns
    /// Whether the last batch has the block, too.
    private var isGiven = false

    init(of kinds: Set<ColumnKind>) {
        isWanted = kinds.contains(Columns.kind)
        (block, columns) = Self.empty(rows: isWanted ? BatchLimits.rowsMax : 0)
    }

    private static func empty(rows: Int) -> (ColumnBlock, Columns) {
        let layout = Columns.kind.columns
        let block = ColumnBlock(layout, rows: rows)
        var cursor = ColumnCursor(block, layout)
        return (block, Columns(&cursor))
    }

    /// Comes before rows are written. The last batch's block is used again if nobody has the batch
    /// any more: fresh memory would cost as much as the rows.
    mutating func prepare() {
        guard isGiven else { return }
        isGiven = false
        if !isKnownUniquelyReferenced(&block) {
            (block, columns) = Self.empty(rows: BatchLimits.rowsMax)
        }
    }

    /// Returns the rows; `nil` when there are none. `text` has the bytes of the column that has a
    /// text per row.
    mutating func take(
        _ rows: Int, _ texts: inout RowTexts, text: [UInt8] = []
    ) -> ColumnBatch? {
        guard rows > 0 else { return nil }
        let layout = Columns.kind.columns
        let pages = layout.map { column -> TextPage? in
            if case .text(let kind) = column.form { texts.page(kind) } else { nil }
        }
        // A small batch does not keep the memory of a large one.
        let isSmall = rows <= block.capacity / 4
        isGiven = !isSmall
        return ColumnBatch(
            Columns.kind, isSmall ? block.copy(layout, rows: rows) : block, rows: rows, pages,
            text: text)
    }
}
