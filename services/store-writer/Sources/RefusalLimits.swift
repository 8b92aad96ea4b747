import StoreSinks

/// Decides when so much is refused that single records are not at fault, but the table, or what
/// writes the tape. Then nothing is set aside. Pure.
struct RefusalLimits: Sendable {
    /// The maximum number of dead letters of one batch, and of a table's rows in a row.
    let deadLettersMax: Int
    /// By table, how many rows became dead letters since a row of the table was last stored.
    private var inARow: [SinkName: Int] = [:]

    init(deadLettersMax: Int) { self.deadLettersMax = deadLettersMax }

    /// Throws when too many records of a batch are refused. `peer` is the store, for the message.
    /// The group waits apart for the table `blocked`. Its rows are not set aside until it takes
    /// one: the batches may be small, and each would become letters.
    func check(
        _ work: BatchWork, _ peer: String, blocked: SinkName? = nil
    ) throws(StoreError) {
        if let blocked, work.outcome.rows[blocked, default: 0] == 0,
            work.refused.contains(where: { $0.sink == blocked })
        {
            throw withheld(
                peer, blocked,
                "\(blocked.rawValue) still takes none of its rows, so none is set aside: mend the "
                    + "table")
        }
        guard work.refused.count > deadLettersMax else { return }
        let tables = Set(work.refused.map(\.sink))
        throw withheld(
            peer, tables.count == 1 ? tables.first ?? nil : nil,
            "\(work.refused.count) ticks of one batch cannot be read or stored, so nothing is set "
                + "aside: look at what writes the tape, or raise WRITER_DEAD_LETTERS_MAX")
    }

    /// Returns the limits as they are once this batch is stored. Throws when a table has taken none
    /// of its last rows, over many small batches: it would refuse all later rows.
    func after(_ work: BatchWork, _ peer: String) throws(StoreError) -> RefusalLimits {
        var next = self
        for case let sink? in work.refused.map(\.sink) { next.inARow[sink, default: 0] += 1 }
        for (sink, rows) in work.outcome.rows where rows > 0 { next.inARow[sink] = nil }
        if let (sink, count) = next.inARow.first(where: { $0.value > deadLettersMax }) {
            throw withheld(
                peer, sink,
                "\(count) rows of \(sink.rawValue) are refused and none between them is taken, so "
                    + "no more are set aside: mend the table, or raise WRITER_DEAD_LETTERS_MAX")
        }
        return next
    }

    private func withheld(_ peer: String, _ table: SinkName?, _ reason: String) -> StoreError {
        .withheld(
            StoreError.Withheld(
                operation: "write rows", peer: peer, remedy: .mendTable, reason: reason,
                table: table))
    }
}

/// Counts by table how many rows were refused in a row, over all batches of a session. After so
/// many, the table is at fault and not these rows. Rows that another table of its group takes do
/// not begin the count again: at low rates few of the refused come between them. Pure.
struct RefusedInARow: Sendable {
    /// So few that the rows of other groups hardly wait for the search.
    static let rowsMax = 128

    private var rows: [SinkName: Int] = [:]

    /// Begins the count of a table again, because rows of it were taken, or its group is left.
    mutating func forget(_ table: SinkName) { rows[table] = nil }

    /// Notes that a row of a table was refused. Returns whether the table is at fault.
    mutating func refused(_ table: SinkName) -> Bool {
        rows[table, default: 0] += 1
        return rows[table, default: 0] >= Self.rowsMax
    }
}
