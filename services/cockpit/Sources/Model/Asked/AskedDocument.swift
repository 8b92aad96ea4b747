import Primitives

/// The rows of an answer in SQL as JSON, written as they come, up to the limits.
struct AskedDocument: Sendable {
    /// The most rows. What comes after them is cut.
    static let rowsMax = 10_000
    /// The most bytes of an answer. The row that goes beyond them is the last one.
    static let bytesMax = 2_097_152
    /// The most characters of a value. The database cuts longer ones before they are sent.
    static let charactersMax = 4_096
    /// The most columns. A statement with more is refused.
    static let columnsMax = 100
    /// The most characters of a reason.
    private static let reasonMax = 500

    private var rows = JSONWriter(capacity: 65_536)
    private let columns: [String]
    private(set) var count = 0
    private var cutValues = 0
    /// By which limit rows were cut. `nil`: all are there.
    private(set) var cut: String?

    init(columns: [String]) { self.columns = columns }

    /// Returns whether there is room for another row.
    mutating func take(_ row: [String?]) -> Bool {
        guard count < Self.rowsMax else {
            cut = "rows"
            return false
        }
        count += 1
        let values = row.map { $0.map { shortened($0) } }
        rows.array { rows in
            for value in values {
                if let value { rows.value(value) } else { rows.null() }
            }
        }
        guard rows.bytes.count < Self.bytesMax else {
            cut = "bytes"
            return false
        }
        return true
    }

    private mutating func shortened(_ value: String) -> String {
        guard value.utf8.count > Self.charactersMax,
            value.unicodeScalars.count > Self.charactersMax
        else { return value }
        cutValues += 1
        var short = String.UnicodeScalarView()
        short.append(contentsOf: value.unicodeScalars.prefix(Self.charactersMax))
        return String(short) + "…"
    }

    func json(seconds: Double, at time: Timestamp) -> [UInt8] {
        JSONWriter.made(capacity: rows.bytes.count + 1_024) { json in
            json.member("state", "answered")
            json.member("time", "\(time)")
            json.member("seconds", seconds)
            json.member("columns", values: columns)
            json.member("cut", cut)
            json.member("cut_values", cutValues)
            json.key("rows")
            json.array { json in
                if count > 0 { json.literal(rows.text) }
            }
        }.bytes
    }

    /// Why there are no rows, in words for a person.
    static func refused(_ reason: String) -> [UInt8] {
        PageAnswer(refused: String(reason.prefix(reasonMax))).json
    }
}
