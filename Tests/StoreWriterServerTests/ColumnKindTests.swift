import StoreSinks
import TestSupport
import Testing

@testable import StoreWriter

@Suite("Columns for any kind of store")
struct ColumnKindTests {
    private static let types: [String: String] = [
        "bigint": "int64", "integer": "int64", "smallint": "int64", "numeric": "decimal",
        "text": "text", "timestamp with time zone": "time", "boolean": "bool", "jsonb": "json",
        "bytea": "bytes",
    ]

    private func name(_ kind: ColumnKind) -> String {
        switch kind {
        case .int64: "int64"
        case .decimal: "decimal"
        case .text: "text"
        case .bool: "bool"
        case .time: "time"
        case .json: "json"
        case .bytes: "bytes"
        }
    }

    @Test("each column has the type that PostgreSQL has for it")
    func kinds() throws {
        let bench = try WriterBench("writer_columnkinds")
        for sink in SinkCatalogue().sinks {
            let table = sink.merge == nil ? sink.copyTarget : sink.tables[0]
            let rows = try bench.database.psql(
                """
                SELECT column_name, data_type FROM information_schema.columns
                WHERE table_schema = current_schema() AND table_name = '\(table)'
                """)
            let pairs = rows.split(separator: "\n").map {
                $0.split(separator: "|").map(String.init)
            }
            let found = Dictionary(pairs.map { ($0[0], $0[1]) }) { $1 }
            for column in sink.copyColumns {
                let type = found[column].flatMap { Self.types[$0] }
                let kind = name(ColumnKind.of(column, in: sink.name))
                #expect(type == kind, "\(table).\(column): \(found[column] ?? "missing")")
            }
        }
    }
}
