internal import Primitives

/// Makes rows whose values are at the edges of their types.
struct ProofRows {
    static let tables = ["proof_ticks", "proof_news"]
    static let source = "proof"
    static let partitions = (0..<8).map { Int64($0) }

    private var ordinal: Int64 = 0

    /// Returns tables with so many rows in all.
    mutating func make(_ count: Int, _ random: inout SeededRandom) -> [StoreTable] {
        let first = Int.random(in: 0...count, using: &random)
        return [(0, first), (1, count - first)].filter { $0.1 > 0 }.map { table, rows in
            make(Self.tables[table], rows, &random)
        }
    }

    private mutating func make(
        _ name: String, _ count: Int, _ random: inout SeededRandom
    ) -> StoreTable {
        func values<Value>(_ choices: [Value?]) -> [Value?] {
            (0..<count).map { _ in choices.randomElement(using: &random) ?? nil }
        }
        let ordinals = (0..<count).map { ordinal + Int64($0) + 1 }
        ordinal += Int64(count)
        let texts: [String?] = ["", "AAPL", "O'Neil \"x\"|y\\", "日経 225\n", nil]
        let partitions = values(Self.partitions)
        return StoreTable(
            name: name,
            columns: [
                StoreColumn(name: "source", values: .text(values([Self.source]))),
                StoreColumn(name: "partition", values: .int64(partitions)),
                StoreColumn(name: "ordinal", values: .int64(ordinals)),
                StoreColumn(name: "number", values: .int64(values([0, .min, .max, nil]))),
                StoreColumn(
                    name: "price",
                    values: .decimal(
                        values([0, 1, -12_500_000_000, FixedPoint.wideMax / 11 * 10, nil]),
                        scale: 9)),
                StoreColumn(name: "symbol", values: .text(values(texts))),
                StoreColumn(name: "partial", values: .bool(values([true, false, nil]))),
                StoreColumn(name: "ts", values: .time(values([0, 1_700_000_000_123_456, nil]))),
                StoreColumn(name: "detail", values: .json(values(["{\"a\":[1,\"é\"]}", nil]))),
                StoreColumn(name: "payload", values: .bytes(values([[], [0, 255, 39], nil]))),
            ])
    }
}

extension StoreTable {
    /// Its rows as texts, in which an absent value differs from each text.
    var proofRows: [ProofRow] {
        (0..<rowCount).map { row in ProofRow(columns.map { $0.text(row) }) }
    }
}

/// A row as texts.
struct ProofRow: Hashable, CustomStringConvertible {
    private let values: [String?]

    init(_ values: [String?]) { self.values = values }

    var partition: String? { values[1] }
    var ordinal: Int64? { values[2].flatMap { Int64($0) } }

    var description: String { values.map { $0.map { "'\($0)'" } ?? "-" }.joined(separator: " ") }
}
