internal import Primitives

/// Collects rows of one table in QuestDB's line protocol, version 3. The values of a row may come
/// in any order. A value that is not given is NULL.
package struct LineRows: Sendable {
    /// The name of a column, as it stands before a value. Each value passes one reference to it.
    package final class Name: Sendable {
        let bytes: [UInt8]
        package let text: String

        package init(_ text: String) {
            self.text = text
            var bytes: [UInt8] = [UInt8(ascii: ",")]
            for byte in text.utf8 { bytes.append(byte, escaping: mustEscapeUnquoted) }
            bytes.append(UInt8(ascii: "="))
            self.bytes = bytes
        }
    }

    /// Why a row cannot stand in its table.
    package struct Refusal: Hashable, Sendable {
        package let column: String
        package let reason: String
    }

    /// The largest magnitude of a decimal, below which each number has at most 38 digits.
    static let decimalBound: Int128 = {
        var bound: Int128 = 1
        for _ in 0..<38 { bound *= 10 }
        return bound
    }()

    private let table: [UInt8]
    /// The rows so far, and the beginning of the present one.
    package private(set) var bytes: [UInt8] = []
    /// Where each row ends.
    package private(set) var ends: [Int] = []
    // The present row's. Its symbols stand in `bytes` already, before all other values.
    private var values: [UInt8] = []
    private var time: Int64 = 0
    private var refusal: Refusal?

    package init(table: String) {
        var bytes: [UInt8] = []
        for byte in table.utf8 { bytes.append(byte, escaping: mustEscapeUnquoted) }
        self.table = bytes
    }

    package var count: Int { ends.count }

    /// Begins a row.
    package mutating func begin() {
        bytes.append(bytesOf: table)
        values.removeAll(keepingCapacity: true)
        time = 0
        refusal = nil
    }

    /// Ends the row. Returns why it is left out; `nil`: it is not.
    package mutating func end() -> Refusal? {
        if let refusal {
            bytes.removeLast(bytes.count - (ends.last ?? 0))
            return refusal
        }
        if !values.isEmpty {
            values[0] = UInt8(ascii: " ")
            bytes.append(bytesOf: values)
        }
        bytes.append(UInt8(ascii: " "))
        bytes.append(digitsOf: time)
        bytes.append(UInt8(ascii: "n"))
        bytes.append(UInt8(ascii: "\n"))
        ends.append(bytes.count)
        return nil
    }

    package mutating func refuse(_ name: Name, _ reason: String) {
        refusal = refusal ?? Refusal(column: name.text, reason: reason)
    }

    // MARK: values

    /// Sets the designated timestamp, by which the server finds a row's partition.
    package mutating func designate(_ nanoseconds: Int64, _ name: Name) {
        if nanoseconds < 0 {
            refuse(name, "it is a time before 1970, at which the server keeps no row")
        }
        time = nanoseconds
    }

    /// A symbol that is empty is NULL: the protocol has no empty ones.
    package mutating func symbol(_ name: Name, _ text: RawSpan) {
        guard text.byteCount > 0 else { return }
        check(name, text, mayHaveNUL: false)
        bytes.append(bytesOf: name.bytes)
        bytes.append(text, escaping: mustEscapeUnquoted)
    }

    package mutating func text(_ name: Name, _ text: RawSpan) {
        check(name, text, mayHaveNUL: true)
        values.append(bytesOf: name.bytes)
        values.append(UInt8(ascii: "\""))
        values.append(text, escaping: mustEscapeQuoted)
        values.append(UInt8(ascii: "\""))
    }

    /// The least number is the server's NULL. In a column of times it is the undefined one here,
    /// too.
    package mutating func integer(_ name: Name, _ value: Int64) {
        values.append(bytesOf: name.bytes)
        values.append(digitsOf: value)
        values.append(UInt8(ascii: "i"))
    }

    package mutating func bool(_ name: Name, _ value: Bool) {
        values.append(bytesOf: name.bytes)
        values.append(UInt8(ascii: value ? "t" : "f"))
    }

    package mutating func time(_ name: Name, _ nanoseconds: Int64) {
        values.append(bytesOf: name.bytes)
        values.append(digitsOf: nanoseconds)
        values.append(UInt8(ascii: "n"))
    }

    /// The number value × 10^-scale, in its binary form: the fewest bytes of the two's complement,
    /// but two at least, the highest first.
    package mutating func decimal(_ name: Name, _ value: Int128, scale: Int) {
        if value.magnitude >= Self.decimalBound.magnitude {
            refuse(name, "it has more than 38 digits")
        }
        values.append(bytesOf: name.bytes)
        let bits = 129 - (value ^ (value >> 127)).leadingZeroBitCount
        let count = max(2, (bits + 7) / 8)
        values.append(addingCapacity: 4 + count) { output in
            output.append(UInt8(ascii: "="))
            output.append(Self.decimalType)
            output.append(UInt8(scale))
            output.append(UInt8(count))
            for place in stride(from: (count - 1) * 8, through: 0, by: -8) {
                output.append(UInt8(truncatingIfNeeded: value &>> Int128(place)))
            }
        }
    }

    private static let decimalType: UInt8 = 23

    /// Refuses what would end the request for all rows.
    private mutating func check(_ name: Name, _ text: RawSpan, mayHaveNUL: Bool) {
        var isPlain = true
        for place in 0..<text.byteCount {
            let byte = text.uint8(at: place)
            if byte == 0, !mayHaveNUL { return refuse(name, "it has a NUL") }
            if byte >= 0x80 { isPlain = false }
        }
        if !isPlain, !text.isUTF8 { refuse(name, "it is no UTF-8") }
    }
}

extension RawSpan {
    /// Whether repairing it changes nothing.
    fileprivate var isUTF8: Bool {
        let repaired = Array(text.utf8)
        guard repaired.count == byteCount else { return false }
        for place in 0..<byteCount where repaired[place] != uint8(at: place) { return false }
        return true
    }
}

@inline(__always)
private func mustEscapeUnquoted(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: " ") || byte == UInt8(ascii: ",") || byte == UInt8(ascii: "=")
        || mustEscapeAnywhere(byte)
}

@inline(__always)
private func mustEscapeQuoted(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: "\"") || mustEscapeAnywhere(byte)
}

@inline(__always)
private func mustEscapeAnywhere(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") || byte == UInt8(ascii: "\\")
}

extension [UInt8] {
    @inline(__always)
    fileprivate mutating func append(_ byte: UInt8, escaping: (UInt8) -> Bool) {
        if escaping(byte) { append(UInt8(ascii: "\\")) }
        append(byte)
    }

    /// Appends an array without a reference to it.
    @inline(__always)
    fileprivate mutating func append(bytesOf other: borrowing [UInt8]) {
        // Safety: the bytes of an array that stays.
        unsafe other.withUnsafeBufferPointer { unsafe append(contentsOf: $0) }
    }

    /// Asks for room once.
    @inline(__always)
    fileprivate mutating func append(_ text: RawSpan, escaping: (UInt8) -> Bool) {
        append(addingCapacity: 2 * text.byteCount) { output in
            for place in 0..<text.byteCount {
                let byte = text.uint8(at: place)
                if escaping(byte) { output.append(UInt8(ascii: "\\")) }
                output.append(byte)
            }
        }
    }
}
