internal import CBareColumns
internal import CDecoder
internal import DecoderLibrary
internal import Glibc

/// What a reading gave, so that two can be compared.
struct Sums: Equatable {
    var rows = 0
    /// Of each column: the sum of its values, which wraps, and how many rows have none.
    var columns: [Column] = []

    struct Column: Equatable {
        var values: UInt64 = 0
        var nulls: Int64 = 0
    }

    /// The bytes of one value of each column of trades.
    static let widths = [8, 8, 4, 4, 4, 8, 8, 4, 4, 4, 2, 1, 8, 8, 8, 2, 8, 8]

    init() { columns = Self.widths.map { _ in Column() } }

    /// Adds a batch; `column` returns the values of a column, and how many rows have none.
    mutating func add(
        rows count: Int, _ column: (Int) -> (values: UnsafeRawPointer?, nulls: Int64)
    ) {
        for index in columns.indices {
            let (values, nulls) = unsafe column(index)
            guard let values = unsafe values else { continue }
            columns[index].nulls += nulls
            for row in 0..<count {
                let place = row * Self.widths[index]
                let value: UInt64
                switch Self.widths[index] {
                case 8: value = unsafe values.load(fromByteOffset: place, as: UInt64.self)
                case 4: value = UInt64(unsafe values.load(fromByteOffset: place, as: UInt32.self))
                case 2: value = UInt64(unsafe values.load(fromByteOffset: place, as: UInt16.self))
                default: value = UInt64(unsafe values.load(fromByteOffset: place, as: UInt8.self))
                }
                // Weighted, so that an exchange of two rows shows.
                columns[index].values &+= value &* UInt64((rows + row) | 1)
            }
        }
        rows += count
    }
}

/// Reads the trades of a recording by the library's functions, as a program of C does, and gives
/// each batch back before it takes the next one.
///
/// Safety: the handle and the stream are this value's, and are freed with it.
@safe
final class LibraryReading {
    private let reader: OpaquePointer
    private var stream = unsafe ArrowArrayStream()

    init(_ path: String) throws {
        guard let reader = unsafe tapelineReaderOpen(path, Int32(TAPELINE_TRADES), nil, nil, nil)
        else {
            throw Unusable("the library does not open \(path)")
        }
        unsafe self.reader = reader
        guard unsafe tapelineReaderStream(reader, &stream, nil) == TAPELINE_OK else {
            throw Unusable("the library has no stream")
        }
    }

    deinit {
        unsafe stream.release?(&stream)
        unsafe tapelineReaderClose(reader)
    }

    /// Returns the rows of the next batch; 0 at the end.
    func next(_ sums: inout Sums?) throws -> Int {
        var batch = unsafe ArrowArray()
        guard unsafe stream.get_next(&stream, &batch) == 0 else {
            let text = unsafe stream.get_last_error(&stream).map { unsafe String(cString: $0) }
            throw Unusable("the library: \(text ?? "an error")")
        }
        guard let release = unsafe batch.release else { return 0 }
        defer { unsafe release(&batch) }
        let rows = unsafe Int(batch.length)
        unsafe sums?.add(rows: rows) { column in
            guard let child = unsafe batch.children[column] else { return (nil, 0) }
            return unsafe (child.pointee.buffers[1], child.pointee.null_count)
        }
        return rows
    }

    static func drain(_ path: String, _ sums: inout Sums?) throws -> Int {
        let reading = try LibraryReading(path)
        var rows = 0
        while case let found = try reading.next(&sums), found > 0 { rows += found }
        return rows
    }
}

/// The same by the plain loop in C.
enum BareReading {
    static func drain(_ path: String, _ sums: inout Sums?) throws -> Int {
        guard let columns = unsafe bare_columns_open(path) else {
            throw Unusable("the loop in C does not open \(path)")
        }
        defer { unsafe bare_columns_close(columns) }
        var total = 0
        while true {
            let rows = unsafe Int(bare_columns_next(columns))
            guard rows >= 0 else { throw Unusable("the loop in C finds damage") }
            guard rows > 0 else { return total }
            total += rows
            unsafe sums?.add(rows: rows) { column in
                unsafe (
                    bare_columns_values(columns, Int32(column)),
                    bare_columns_nulls(columns, Int32(column))
                )
            }
        }
    }
}
