package import StoreHTTP

/// Reads an answer of `FORMAT RowBinary`, value by value.
package struct ClickHouseAnswer {
    private let bytes: [UInt8]
    private var place = 0

    package init(_ bytes: [UInt8]) { self.bytes = bytes }

    package var isOver: Bool { place >= bytes.count }

    /// Reads an Int64 or a UInt64 as its bits.
    package mutating func integer() throws(StoreServerError) -> Int64 {
        let value = try take(8)
        return value.reversed().reduce(Int64(0)) { $0 << 8 | Int64($1) }
    }

    package mutating func text() throws(StoreServerError) -> String {
        var (count, shift) = (0, 0)
        while true {
            guard shift < 35, let byte = try take(1).first else { throw Self.cut }
            count |= Int(byte & 0x7f) << shift
            shift += 7
            if byte < 0x80 { break }
        }
        return String(decoding: try take(count), as: UTF8.self)
    }

    private mutating func take(_ count: Int) throws(StoreServerError) -> ArraySlice<UInt8> {
        guard bytes.count - place >= count else { throw Self.cut }
        defer { place += count }
        return bytes[place..<place + count]
    }

    private static var cut: StoreServerError {
        StoreServerError("the answer of ClickHouse ends within a row: ask again", .away)
    }
}
