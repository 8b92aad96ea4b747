import StoreKit

/// A store in memory that keeps its promises, or breaks one of them.
final class MemoryStore: RowStore {
    enum Flaw: CaseIterable {
        /// Rows of a transaction that ends with an error stay.
        case keepsRows
        /// Marks are set before `settle` is over.
        case setsMarksEarly
        case forgetsMarks
        case losesARow
        case addsARowTwice
        /// Two transactions may change a mark at once.
        case takesBoth
        /// The same, but only for marks that are not there yet.
        case takesBothNew
        /// An error of `settle` does not reach the caller.
        case swallowsErrors
        case replacesErrors
        case settlesTwice
        /// An empty text becomes no value.
        case losesEmptyTexts
        case roundsDecimals
        /// The first transaction of a connection fails.
        case failsOnce
        /// No names make a statement that the database refuses.
        case needsNames
        /// After an error of `settle` a connection is of no use.
        case usedUpByErrors
        /// It refuses rows at its commit.
        case refusesLate
        case takesAllRows
        /// It does not say that rows are what it refuses.
        case misjudgesRows
        case cutsLongMarks
    }

    struct Failure: Error {}
    struct Refused: Error {}

    /// A row that it refuses.
    static let refused = StoreTable(
        name: "refused", columns: [StoreColumn(name: "a", values: .int64([1]))])

    /// What connections share.
    final class Content {
        var marks: [String: String] = [:]
        var rows: [String: [[String?]]] = [:]
    }

    private let content: Content
    private let flaw: Flaw?
    private var calls = 0
    private var isUsedUp = false

    init(_ content: Content, _ flaw: Flaw?) {
        self.content = content
        self.flaw = flaw
    }

    func transact(
        _ tables: [StoreTable], marks names: [String],
        _ settle: ([String: String]) throws -> [String: String]
    ) throws {
        calls += 1
        if flaw == .failsOnce && calls == 1 || flaw == .needsNames && names.isEmpty || isUsedUp {
            throw Failure()
        }
        let isRefused = flaw != .takesAllRows && tables.contains { $0.name == "refused" }
        if isRefused, flaw != .refusesLate { throw Refused() }
        let before = content.rows
        for table in tables { add(table) }
        let present = content.marks.filter { names.contains($0.key) }
        do {
            if flaw == .settlesTwice { _ = try settle(present) }
            let next = try settle(present)
            let isNew = present.isEmpty
            let mayConflict = flaw == .takesBoth || flaw == .takesBothNew && isNew
            let isChanged = content.marks.filter { names.contains($0.key) } != present
            if isChanged, !mayConflict { throw Failure() }
            if isRefused { throw Refused() }
            let length = flaw == .cutsLongMarks ? 255 : Int.max
            if flaw != .forgetsMarks {
                content.marks.merge(next.mapValues { String($0.prefix(length)) }) { $1 }
            }
        } catch {
            isUsedUp = flaw == .usedUpByErrors
            if flaw == .setsMarksEarly { content.marks.merge(names.map { ($0, "early") }) { $1 } }
            if flaw != .keepsRows { content.rows = before }
            if flaw == .swallowsErrors { return }
            throw flaw == .replacesErrors ? Failure() as any Error : error
        }
    }

    func fault(of error: any Error) -> StoreFault {
        error is Refused && flaw != .misjudgesRows ? .rows : .away
    }

    private func add(_ table: StoreTable) {
        var rows = (0..<table.rowCount).map { row in
            table.columns.map { column -> String? in
                let text = column.text(row)
                switch (flaw, column.values) {
                case (.losesEmptyTexts?, .text): return text == "" ? nil : text
                case (.roundsDecimals?, .decimal): return text.map { String($0.prefix(17)) }
                case _: return text
                }
            }
        }
        if flaw == .losesARow { rows = Array(rows.dropLast()) }
        if flaw == .addsARowTwice { rows += rows.suffix(1) }
        content.rows[table.name, default: []] += rows
    }
}
