import MarketModel
package import PostgresClient
package import Primitives
package import StoreKit
import TapeCodec

/// Collects the rows of one table as columns, for a store that takes them so.
package struct ColumnWriter: RowWriter, Sendable {
    package typealias Failure = Never

    private let name: String
    private var columns: [Column]
    /// The column of the next value.
    private var next: Int
    package private(set) var rowCount = 0

    package init(_ sink: Sink) {
        name = sink.name.rawValue
        columns = sink.storeColumns.map { Column($0, ColumnKind.of($0, in: sink.name)) }
        next = columns.count
    }

    /// The rows so far.
    package var table: StoreTable {
        StoreTable(name: name, columns: columns.map(\.stored))
    }

    /// The count of PostgreSQL's columns is not that of all.
    package mutating func row(columns _: Int16) {
        precondition(next == columns.count, "\(name): a row lacks \(columns.count - next) values")
        next = 0
        rowCount += 1
    }

    package mutating func null() { set { $0.addNull() } }
    package mutating func bool(_ value: Bool) { set { $0.add(value) } }
    package mutating func int64(_ value: Int64) { set { $0.add(value, .int64) } }
    package mutating func text(_ value: String) { set { $0.add(value, .text) } }
    package mutating func text(_ value: RawSpan) {
        columns[next].kind == .bytes ? bytes(value.array) : text(value.text)
    }
    package mutating func packedText(_ word: UInt64) { text(ShortText(raw: word).text) }
    package mutating func bytes(_ value: [UInt8]) { set { $0.add(value) } }
    package mutating func jsonb(_ text: String) { set { $0.add(text, .json) } }
    package mutating func timestamptz(_ value: Timestamp) {
        guard value.isDefined else { return null() }
        let time = value.floored(toNanoseconds: 1_000).nanoseconds / 1_000
        set { $0.add(time, .time) }
    }
    package mutating func numeric(_ value: Int128, scale: Int) {
        set { $0.add(value, scale: scale) }
    }
    package mutating func shared(_ place: CopyFields.Place, of fields: borrowing CopyFields) {
        text(fields.withText(place) { $0.text })
    }

    @inline(__always)
    private mutating func set(_ add: (inout Column) -> Void) {
        add(&columns[next])
        next += 1
    }
}

/// A column that grows. Only the values of its type are used.
private struct Column: Sendable {
    let name: String
    let kind: ColumnKind
    private var integers: [Int64?] = []
    private var numbers: [Int128?] = []
    private var texts: [String?] = []
    private var flags: [Bool?] = []
    private var blobs: [[UInt8]?] = []

    init(_ name: String, _ kind: ColumnKind) {
        self.name = name
        self.kind = kind
    }

    mutating func addNull() {
        switch kind {
        case .int64, .time: integers.append(nil)
        case .decimal: numbers.append(nil)
        case .text, .json: texts.append(nil)
        case .bool: flags.append(nil)
        case .bytes: blobs.append(nil)
        }
    }

    mutating func add(_ value: Int64, _ given: ColumnKind) {
        check(given)
        integers.append(value)
    }

    mutating func add(_ value: Int128, scale: Int) {
        check(.decimal(scale: scale))
        numbers.append(value)
    }

    mutating func add(_ value: String, _ given: ColumnKind) {
        check(given)
        texts.append(value)
    }

    mutating func add(_ value: Bool) {
        check(.bool)
        flags.append(value)
    }

    mutating func add(_ value: [UInt8]) {
        check(.bytes)
        blobs.append(value)
    }

    private func check(_ given: ColumnKind) {
        precondition(given == kind, "the column \(name) is \(kind), and not \(given)")
    }

    var stored: StoreColumn {
        let values: StoreColumn.Values =
            switch kind {
            case .int64: .int64(integers)
            case .decimal(let scale): .decimal(numbers, scale: scale)
            case .text: .text(texts)
            case .bool: .bool(flags)
            case .time: .time(integers)
            case .json: .json(texts)
            case .bytes: .bytes(blobs)
            }
        return StoreColumn(name: name, values: values)
    }
}
