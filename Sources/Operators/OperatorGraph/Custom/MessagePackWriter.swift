/// Writes values in MessagePack, each in its shortest form, as PyPI's `msgpack` does.
package struct MessagePackWriter: Sendable {
    package private(set) var bytes: [UInt8] = []

    package init() {}

    /// Empties the buffer and keeps its memory.
    package mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }

    /// Begins a map. The names and values of `count` members have to follow, in turn.
    package mutating func map(_ count: Int) {
        if count < 16 {
            bytes.append(0x80 | UInt8(truncatingIfNeeded: count))
        } else if count <= Int(UInt16.max) {
            put(0xde, UInt16(truncatingIfNeeded: count))
        } else {
            put(0xdf, UInt32(clamping: count))
        }
    }

    package mutating func null() { bytes.append(0xc0) }

    package mutating func value(_ flag: Bool) { bytes.append(flag ? 0xc3 : 0xc2) }

    package mutating func value(_ number: UInt64) {
        switch number {
        case 0..<0x80: bytes.append(UInt8(truncatingIfNeeded: number))
        case 0..<0x100: put(0xcc, UInt8(truncatingIfNeeded: number))
        case 0..<0x1_0000: put(0xcd, UInt16(truncatingIfNeeded: number))
        case 0..<0x1_0000_0000: put(0xce, UInt32(truncatingIfNeeded: number))
        default: put(0xcf, number)
        }
    }

    package mutating func value(_ number: Int64) {
        switch number {
        case 0...: value(UInt64(number))
        case -0x20..<0: bytes.append(UInt8(truncatingIfNeeded: number))
        case -0x80..<0: put(0xd0, UInt8(truncatingIfNeeded: number))
        case -0x8000..<0: put(0xd1, UInt16(truncatingIfNeeded: number))
        case -0x8000_0000..<0: put(0xd2, UInt32(truncatingIfNeeded: number))
        default: put(0xd3, UInt64(bitPattern: number))
        }
    }

    package mutating func value(_ text: String) {
        let count = text.utf8.count
        switch count {
        case 0..<32: bytes.append(0xa0 | UInt8(truncatingIfNeeded: count))
        case 0..<0x100: put(0xd9, UInt8(truncatingIfNeeded: count))
        case 0..<0x1_0000: put(0xda, UInt16(truncatingIfNeeded: count))
        default: put(0xdb, UInt32(clamping: count))
        }
        bytes.append(contentsOf: text.utf8)
    }

    /// Writes a number big endian, as MessagePack requires.
    private mutating func put(_ head: UInt8, _ number: some FixedWidthInteger) {
        bytes.append(head)
        for shift in stride(from: number.bitWidth - 8, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: number >> shift))
        }
    }
}
