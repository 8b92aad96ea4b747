import DeadLetters
import MarketModel
import Primitives
import StoreSinks
import TapeCodec
import TapeTransport

extension BlockRowWriter {
    /// One request has rows of about so many bytes.
    private static var blockBytes: Int { 8 << 20 }

    /// Returns rows of a table as blocks of a writer of that table, which has none yet.
    func blocks(_ rows: [FillRows.Row], of table: FilledTable) throws -> FilledBlocks {
        var found = FilledBlocks()
        var (writer, bytes) = (self, 0)
        for row in rows {
            try writer.add(JSONValue.parse(row.text), of: table)
            if writer.unfit != nil { found.unfit.append(row.ordinal) }
            bytes += row.text.utf8.count
            guard bytes >= Self.blockBytes else { continue }
            found.blocks += writer.parts().map { $0.block as any StoreBlock }
            (writer, bytes) = (self, 0)
        }
        found.blocks += writer.parts().map { $0.block as any StoreBlock }
        return found
    }

    /// Returns notes as blocks of a writer of the table `fills`, which has no rows yet. In a dated
    /// one each row ends with the time of the stream.
    func blocks(_ notes: [FillNote], isDated: Bool) -> [any StoreBlock] {
        var rows = self
        for note in notes {
            rows.row(columns: isDated ? 8 : 7)
            rows.text(note.lane.input)
            rows.int64(note.lane.partition)
            rows.text(note.lane.source)
            rows.int64(note.ordinals.lowerBound)
            rows.int64(note.ordinals.upperBound)
            rows.int64(note.rows)
            rows.text(note.other)
            if isDated { rows.int64(note.streamCreated) }
        }
        return rows.parts().map { $0.block as any StoreBlock }
    }

    /// Returns the row of a letter as a block of a writer of its table, which has no rows yet.
    func row(
        of letter: DeadLetter, _ catalogue: SinkCatalogue, sink: Int, at time: Timestamp
    ) -> LetterBlock? {
        var rows = self
        let write = Self.write(of: catalogue.sinks[sink])
        let isMade = catalogue.row(of: letter, sink: sink, at: time) {
            record, context, packet, ordinal in
            write(record, context, packet, ordinal, &rows)
        }
        guard isMade else { return nil }
        return LetterBlock(block: rows.parts().first?.block, unfit: rows.unfit)
    }

    /// Adds a row whose values are members of a JSON object, as `FillSource.Form.values` has them.
    mutating func add(_ json: JSONValue, of table: FilledTable) throws(ToolError) {
        row(columns: Int16(table.columns.count))
        for column in table.columns {
            guard let value = json[column.name], add(value, column, json) else {
                throw .unreadable(
                    "a row for \(table.name) has no \(column.name) that it can take")
            }
        }
    }

    /// Returns false when the value is none of this kind.
    private mutating func add(
        _ value: JSONValue, _ column: FilledTable.Column, _ row: JSONValue
    ) -> Bool {
        if value == .null {
            null()
            return true
        }
        switch column.kind {
        case .int64:
            guard let number = value.int else { return false }
            int64(Int64(number))
        case .decimal(let scale):
            guard case .number(let text) = value, let number = Int128(text, scale: scale) else {
                return false
            }
            numeric(number, scale: scale)
        case .text:
            guard let text = value.string else { return false }
            self.text(text)
        case .json:
            guard let text = value.string else { return false }
            jsonb(text)
        case .bool:
            guard let flag = value.bool else { return false }
            bool(flag)
        case .time:
            guard let time = ExactTime.of(value, column.name, row) else { return false }
            timestamptz(time)
        case .bytes:
            guard let bytes = value.string.flatMap({ [UInt8](hexadecimal: $0) }) else {
                return false
            }
            self.bytes(bytes)
        }
        return true
    }
}

/// The time of a column of PostgreSQL, which has microseconds, with the nanoseconds that another
/// column of the row has.
enum ExactTime {
    /// Returns `nil` when the value is no time.
    static func of(_ value: JSONValue, _ column: String, _ row: JSONValue) -> Timestamp? {
        guard let number = value.int, let floored = Self.time(Int64(number)) else { return nil }
        let first = floored.nanoseconds
        for name in places(column) {
            guard let found = row[name]?.int else { continue }
            let exact = name.hasSuffix(rest) ? first &+ Int64(found) : Int64(found)
            // An undefined time has another number there.
            if exact >= first, exact - first < 1_000 { return Timestamp(nanoseconds: exact) }
        }
        return floored
    }

    /// Returns `nil` where the tape has no times.
    static func time(_ microseconds: Int64) -> Timestamp? {
        let (time, overflow) = microseconds.multipliedReportingOverflow(by: 1_000)
        return overflow ? nil : Timestamp(nanoseconds: time)
    }

    private static let rest = "_rest_ns"

    /// The columns that may have the nanoseconds, where one does not follow from the name.
    private static let knownPlaces = [
        "ts": ["ts\(rest)", "event_time_ns", "open_time_ns"],
        "receive_time": ["receive\(rest)", "receive_time_ns"],
        // The event time is the provider's where there is one.
        "provider_time": ["provider_time_ns", "event_time_ns"],
    ]

    private static func places(_ column: String) -> [String] {
        knownPlaces[column] ?? ["\(column)_ns"]
    }
}

extension Int128 {
    /// Reads a decimal number as a multiple of 10^-scale. `nil` when it is none, or has more
    /// digits.
    init?(_ text: String, scale: Int) {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        let fraction = parts.count > 1 ? String(parts[1]) : ""
        guard parts[0].last?.isNumber ?? false, fraction.utf8.count <= scale,
            fraction.allSatisfy(\.isNumber)
        else { return nil }
        let zeros = String(repeating: "0", count: scale - fraction.utf8.count)
        self.init("\(parts[0])\(fraction)\(zeros)")
    }
}

extension [UInt8] {
    /// Reads pairs of digits.
    fileprivate init?(hexadecimal text: String) {
        let digits = text.utf8.map { UInt8(String(UnicodeScalar($0)), radix: 16) }
        guard digits.count % 2 == 0, !digits.contains(nil) else { return nil }
        let values = digits.compactMap(\.self)
        self = stride(from: 0, to: values.count, by: 2).map { values[$0] << 4 | values[$0 + 1] }
    }
}
