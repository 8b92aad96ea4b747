import Primitives
import TapeListing

/// A value of a report: a cell of a table, a member of JSON, and a field of CSV.
enum ReportValue {
    case text(String)
    /// A number with all its digits, or another word of JSON.
    case digits(String)
    case time(Timestamp)
    case texts([String])
    case numbers([Int])
    /// What is not known: `null` in JSON.
    case unknown
    /// What some rows do not have: no member of JSON.
    case absent
    /// What only JSON has.
    case nested((inout JSONWriter) -> Void)

    static func number(_ number: some BinaryInteger) -> ReportValue { .digits("\(number)") }
    static func flag(_ flag: Bool) -> ReportValue { .digits(flag ? "true" : "false") }

    /// The value in a table.
    var cell: String {
        if case .time(let time) = self { return time.short }
        return field.flatMap { $0.isEmpty ? nil : $0 } ?? "-"
    }

    /// The value in CSV; `nil` is an empty field.
    var field: String? {
        switch self {
        case .text(let text), .digits(let text): text
        case .time(let time): time.isDefined ? time.description : nil
        case .texts(let texts): texts.joined(separator: ",")
        case .numbers(let numbers): numbers.map { "\($0)" }.joined(separator: ",")
        case .unknown, .absent, .nested: nil
        }
    }

    fileprivate func write(_ name: String, into json: inout JSONWriter) {
        switch self {
        case .text(let text): json.member(name, text)
        case .digits(let digits):
            json.key(name)
            json.literal(digits)
        case .time(let time): json.member(name, orNull: time)
        case .texts(let texts): json.member(name, values: texts)
        case .numbers(let numbers): json.member(name, values: numbers)
        case .unknown: json.member(name, orNull: String?.none)
        case .absent: break
        case .nested(let write):
            json.key(name)
            write(&json)
        }
    }
}

/// A column of a report.
struct ReportColumn<Row> {
    /// Its head in a table. Empty: a table does not have it.
    let title: String
    /// Its name in JSON and CSV. Empty: only a table has it.
    let name: String
    /// Whether a table has it on the right.
    let isNumber: Bool
    let value: (Row) -> ReportValue
    /// The cell of a table, where it is not the value.
    let shown: ((Row) -> String)?

    init(
        _ title: String, _ name: String, isNumber: Bool = false,
        shown: ((Row) -> String)? = nil, _ value: @escaping (Row) -> ReportValue
    ) {
        self.title = title
        self.name = name
        self.isNumber = isNumber
        self.value = value
        self.shown = shown
    }

    /// A column of the table alone.
    static func cell(
        _ title: String, isNumber: Bool = false, _ shown: @escaping (Row) -> String
    ) -> ReportColumn {
        ReportColumn(title, "", isNumber: isNumber, shown: shown) { _ in .absent }
    }
}

/// Rows of a report, which print as a table, as JSON and as CSV.
struct ReportRows<Row> {
    let rows: [Row]
    let columns: [ReportColumn<Row>]

    init(_ rows: [Row], _ columns: [ReportColumn<Row>]) {
        self.rows = rows
        self.columns = columns
    }

    /// The same columns of the first rows.
    func first(_ count: Int) -> ReportRows { ReportRows(Array(rows.prefix(count)), columns) }

    /// The table: its head, and a line per row. Empty without rows.
    var table: [String] { rows.isEmpty ? [] : TextTable.lines(cells, numbers: numbers) }

    /// The cells of the table, with its head.
    var cells: [[String]] {
        let shown = columns.filter { !$0.title.isEmpty }
        return [shown.map(\.title)]
            + rows.map { row in shown.map { $0.shown?(row) ?? $0.value(row).cell } }
    }

    private var numbers: Set<Int> {
        let shown = columns.filter { !$0.title.isEmpty }
        return Set(shown.indices.filter { shown[$0].isNumber })
    }

    func write(_ row: Row, into json: inout JSONWriter) {
        for column in columns where !column.name.isEmpty {
            column.value(row).write(column.name, into: &json)
        }
    }

    /// The names of the columns, and the fields of each row.
    var fields: [[String?]] {
        let named = columns.filter { !$0.name.isEmpty }
        return [named.map(\.name)] + rows.map { row in named.map { $0.value(row).field } }
    }
}

extension JSONWriter {
    mutating func member<Row>(_ name: String, rows: ReportRows<Row>) {
        member(name, each: rows.rows, rows.write)
    }

    mutating func list<Item>(
        of items: some Sequence<Item>, _ write: (Item, inout JSONWriter) -> Void
    ) {
        array { json in
            for item in items { json.object { write(item, &$0) } }
        }
    }

    mutating func member(_ name: String, orNull text: String?) {
        key(name)
        if let text { value(text) } else { null() }
    }

    mutating func member(_ name: String, orNull number: (some BinaryInteger)?) {
        key(name)
        if let number { value(number) } else { null() }
    }

    mutating func member(_ name: String, orNull time: Timestamp) {
        member(name, orNull: time.isDefined ? time.description : nil)
    }

    /// Writes an object whose members `write` writes.
    mutating func member<Item>(
        _ name: String, objectOrNull item: Item?, _ write: (Item, inout JSONWriter) -> Void
    ) {
        key(name)
        if let item { object { write(item, &$0) } } else { null() }
    }
}

extension Terminal {
    /// Prints a report: lines for a person, one object for a program, or its rows as CSV.
    func show(
        _ lines: @autoclosure () -> [String], json: @autoclosure () -> String,
        rows fields: @autoclosure () -> [[String?]] = [], _ asJSON: Bool
    ) {
        if asCSV {
            csv(fields())
        } else if asJSON {
            line(json())
        } else {
            for text in lines() { line(text) }
        }
    }

    /// Prints objects that are JSON texts, a line each, or as CSV with a column per member. Without
    /// an object the columns are those that are given.
    func show(objects: [String], columns: [String]) {
        guard asCSV else {
            for object in objects { line(object) }
            return
        }
        let rows = objects.map(Self.members)
        let head = rows.first.map { $0.map(\.key) } ?? columns
        csv([head] + rows.map { $0.map(\.value.field) })
    }

    /// The database makes the objects, so that each is one.
    private static func members(of object: String) -> [JSONValue.Member] {
        do {
            return try JSONValue.parse(object).members ?? []
        } catch {
            return [JSONValue.Member(key: "row", value: .string(object))]
        }
    }

    private func csv(_ rows: [[String?]]) {
        for row in rows {
            var buffer = OutputBuffer(descriptor: -1, capacity: 256)
            buffer.csvLine(row)
            raw(String(decoding: buffer.bytes, as: UTF8.self))
        }
    }
}

extension JSONValue {
    fileprivate var field: String? {
        switch self {
        case .null: nil
        case .bool(let flag): "\(flag)"
        case .number(let digits): digits
        case .string(let text): text
        case .array(let values): values.compactMap(\.field).joined(separator: ",")
        case .object: nil
        }
    }
}
