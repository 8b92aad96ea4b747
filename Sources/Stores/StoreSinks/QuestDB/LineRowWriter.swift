internal import MarketModel
package import PostgresClient
package import Primitives
package import QuestDBWire
internal import TapeCodec

/// Collects rows of one table for QuestDB.
package struct LineRowWriter: BlockRowWriter {
    package typealias Failure = Never

    private struct Column {
        let name: LineRows.Name
        let kind: QuestDBColumn.Kind
        /// It has the designated timestamp.
        let isTime: Bool
        /// Its times are rounded up to microseconds by what writes the row, so that none seems to
        /// be known before it was. The nanoseconds after that mean nothing.
        let isRounded: Bool
    }

    private let table: QuestDBTable
    private let columns: [Column]
    private var rows: LineRows
    /// The column of the next value.
    private var next: Int
    /// Why the last row was left out.
    private var refusal: LineRows.Refusal?

    package init(_ table: QuestDBTable) {
        self.table = table
        columns = table.columns.map {
            Column(
                name: LineRows.Name($0.name), kind: $0.kind, isTime: $0.name == table.time,
                isRounded: Self.rounded.contains($0.name))
        }
        rows = LineRows(table: table.name)
        next = columns.count
    }

    private static let rounded: Set = ["sent_at", "taken_at"]

    package func parts() -> [BlockPart<LineBlock>] {
        guard rows.count > 0 else { return [] }
        let block = LineBlock(tableName: table.name, body: rows.bytes, ends: rows.ends)
        return [BlockPart(block: block, rows: Array(0..<rows.count))]
    }

    package static func write(of sink: Sink) -> Sink.WriteLines { sink.writeLines }

    package var unfit: UnfitValue? {
        refusal.map {
            UnfitValue(
                column: $0.column,
                reason: "\(table.name).\($0.column) cannot take it: \($0.reason)")
        }
    }

    // MARK: values

    /// The count of PostgreSQL's columns is not that of all.
    package mutating func row(columns _: Int16) {
        precondition(next == columns.count, "\(table.name): a row lacks values")
        next = 0
        refusal = nil
        rows.begin()
    }

    /// The column of the next value. A pattern is compared in place, `==` of another module is a
    /// call.
    @inline(__always)
    private func column(_ isFit: (QuestDBColumn.Kind) -> Bool) -> Column {
        precondition(isFit(columns[next].kind), "another type for \(columns[next].name.text)")
        return columns[next]
    }

    /// With the last value the row ends.
    @inline(__always)
    private mutating func pass() {
        next += 1
        if next == columns.count { refusal = rows.end() }
    }

    package mutating func null() { pass() }

    package mutating func bool(_ value: Bool) {
        rows.bool(column { if case .boolean = $0 { true } else { false } }.name, value)
        pass()
    }

    package mutating func int64(_ value: Int64) {
        // A time that is a number elsewhere.
        if case .time = columns[next].kind {
            return timestamptz(Timestamp(nanoseconds: value))
        }
        rows.integer(column { if case .long = $0 { true } else { false } }.name, value)
        pass()
    }

    package mutating func text(_ value: String) {
        let bytes = Array(value.utf8)
        bytes.withRawSpan { add($0) }
    }

    package mutating func text(_ value: RawSpan) { add(value) }

    private mutating func add(_ text: RawSpan) {
        let column = columns[next]
        switch column.kind {
        case .symbol: rows.symbol(column.name, text)
        case .varchar: rows.text(column.name, text)
        case .long, .boolean, .decimal, .time:
            preconditionFailure("another type for \(column.name.text)")
        }
        pass()
    }

    package mutating func packedText(_ word: UInt64) {
        var words = InlineArray<3, UInt64>(repeating: 0)
        words[0] = word.littleEndian
        var rest = word
        while rest != 0 {
            guard (0x20...0x7e).contains(rest & 0xff) else {
                return text(ShortText(raw: word).text)
            }
            rest >>= 8
        }
        add(words)
    }

    /// Adds a text that stands in words, the first character in the lowest byte, up to the zeros.
    private mutating func add(_ words: InlineArray<3, UInt64>) {
        // Safety: words are bytes, without gaps between them.
        let all = unsafe words.span.bytes
        var count = all.byteCount
        while count > 0, all.uint8(at: count - 1) == 0 { count -= 1 }
        add(all.extracting(0..<count))
    }

    package mutating func bytes(_ value: [UInt8]) {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        text.reserveCapacity(2 * value.count)
        for byte in value { text += [digits[Int(byte >> 4)], digits[Int(byte & 15)]] }
        text.withRawSpan { add($0) }
    }

    package mutating func jsonb(_ text: String) { self.text(text) }

    package mutating func timestamptz(_ value: Timestamp) {
        guard value.isDefined else {
            // The row has to stand somewhere in time.
            return columns[next].isTime ? time(0) : null()
        }
        let exact = columns[next].isRounded ? value.floored(toNanoseconds: 1_000) : value
        // The one that cannot be floored.
        guard exact.isDefined else { return null() }
        time(exact.nanoseconds)
    }

    private mutating func time(_ nanoseconds: Int64) {
        let column = column { if case .time = $0 { true } else { false } }
        if column.isTime {
            rows.designate(nanoseconds, column.name)
        } else {
            rows.time(column.name, nanoseconds)
        }
        pass()
    }

    package mutating func numeric(_ value: Int128, scale: Int) {
        let column = column {
            if case .decimal(_, let own) = $0 { own == scale } else { false }
        }
        rows.decimal(column.name, value, scale: scale)
        pass()
    }

    package mutating func shared(_ place: CopyFields.Place, of fields: borrowing CopyFields) {
        fields.withText(place) { add($0) }
    }

    package mutating func origin(of context: borrowing PacketContext) {
        let name = context.header.source.words
        var words = InlineArray<3, UInt64>(repeating: 0)
        words[0] = name.first.littleEndian
        words[1] = name.second.littleEndian
        words[2] = name.third.littleEndian
        add(words)
        int64(Int64(context.header.partition.number))
        int64(Int64(bitPattern: context.header.epoch))
    }
}
