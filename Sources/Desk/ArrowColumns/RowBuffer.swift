/// The memory for the rows of one kind that wait to be taken.
struct RowBuffer<Columns: RowColumns> {
    /// Whether the kind is decoded. Otherwise there is room for no row.
    let isWanted: Bool
    /// The columns that batches have. The others need not be written.
    private let shape: ColumnShape
    private let places: Set<Int>
    private let memory: BatchMemory?
    private var block: ColumnBlock
    private(set) var columns: Columns
    /// Whether the last batch has the block, too.
    private var isGiven = false
    private let checks: [ColumnBlock.Check]
    /// By the place of a column: whether a row of the batch has no value.
    private var missing: [Bool]

    /// `wanted`: the shape of the kind's batches, if it is of this kind.
    init(of kinds: Set<ColumnKind>, _ wanted: ColumnShape?, _ memory: BatchMemory?) {
        isWanted = kinds.contains(Columns.kind)
        let own = wanted.flatMap { $0.kind == Columns.kind ? $0 : nil }
        shape = own ?? ColumnShape(of: Columns.kind)
        places = Set(shape.places)
        checks = zip(shape.columns, shape.places).compactMap(ColumnBlock.Check.init)
        missing = Columns.kind.columns.map { _ in false }
        self.memory = memory
        (block, columns) = Self.empty(places, rows: isWanted ? BatchLimits.rowsMax : 0, nil)
    }

    private static func empty(
        _ places: Set<Int>, rows: Int, _ memory: BatchMemory?
    ) -> (ColumnBlock, Columns) {
        let block = ColumnBlock(Columns.kind.columns, rows: rows, wanted: places, memory)
        var cursor = ColumnCursor(block, Columns.kind.columns, wanted: places)
        return (block, Columns(&cursor))
    }

    /// Comes before rows are written. The last batch's block is used again if nobody has the batch
    /// any more.
    mutating func prepare() {
        guard isGiven else { return }
        isGiven = false
        if !isKnownUniquelyReferenced(&block) {
            (block, columns) = Self.empty(places, rows: BatchLimits.rowsMax, memory)
        }
    }

    /// Completes the rows of a packet by what they have in common.
    mutating func complete(_ rows: Range<Int>, _ packet: PacketValues) {
        guard !rows.isEmpty else { return }
        columns.fill(rows, packet)
        for check in checks {
            if !missing[check.place], block.isMissing(check, in: rows) {
                missing[check.place] = true
            }
            if check.decimals > 0 { block.makeFloats(check, in: rows) }
        }
    }

    /// Returns the rows; `nil` when there are none. `text` has the bytes of the column that has a
    /// text per row.
    mutating func take(
        _ rows: Int, _ texts: inout RowTexts, text: [UInt8] = []
    ) -> ColumnBatch? {
        guard rows > 0 else { return nil }
        defer { missing = missing.map { _ in false } }
        let pages = shape.columns.map { column -> TextPage? in
            if case .text(let kind) = column.form { texts.page(kind) } else { nil }
        }
        // A small batch does not keep the memory of a large one.
        let isSmall = rows <= block.capacity / 4
        isGiven = !isSmall
        return ColumnBatch(
            shape,
            isSmall ? block.copy(Columns.kind.columns, rows: rows, places: places) : block,
            rows: rows, pages, text: text, missing: missing)
    }
}
