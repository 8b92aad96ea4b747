internal import MarketModel
internal import Primitives

/// Why a message's fields do not match its kind.
package enum FieldFault: UInt8, Hashable, Sendable, CaseIterable {
    /// The message ends before its last field.
    case missing
    case notANumber
    /// A number that is not allowed here.
    case outOfRange
    case notATime
    /// A count of entries that the rest of the message cannot hold.
    case count
}

/// The number of values that were read, but not exactly as they came.
struct FieldLosses {
    /// Numbers that their scale cannot hold: rounded when they are too precise, undefined when they
    /// are too large.
    var numbers: UInt64 = 0
    /// Texts that were cut to the length that a tick holds.
    var texts: UInt64 = 0
}

/// Reads the fields of a message in order. The first fault is kept, and all later fields are empty,
/// so that the caller checks once, at the end of the message.
struct FieldCursor: ~Escapable {
    let bytes: RawSpan
    private var offset = 0
    /// The first fault; `nil`: everything was right so far.
    private(set) var fault: FieldFault?
    var losses = FieldLosses()

    @_lifetime(copy bytes)
    init(_ bytes: RawSpan) { self.bytes = bytes }

    /// The number of bytes after the last field that was read.
    var remaining: Int { fault == nil ? bytes.byteCount - offset : 0 }

    @_lifetime(self: copy self)
    mutating func fail(_ fault: FieldFault) {
        if self.fault == nil { self.fault = fault }
    }

    /// Returns where the next field is, without its terminator.
    @inline(__always)
    @_lifetime(self: copy self)
    mutating func next() -> Range<Int> {
        let start = offset
        guard fault == nil else { return start..<start }
        var end = start
        while end < bytes.byteCount {
            if bytes.uint8(at: end) == 0 {
                offset = end + 1
                return start..<end
            }
            end += 1
        }
        fail(.missing)
        return start..<start
    }

    @_lifetime(self: copy self)
    mutating func skip(_ count: Int = 1) {
        for _ in 0..<count { _ = next() }
    }
}

// Whole numbers and booleans.
extension FieldCursor {
    /// Reads a required number.
    @inline(__always)
    @_lifetime(self: copy self)
    mutating func integer() -> Int64 {
        let range = next()
        guard fault == nil else { return 0 }
        guard let value = Self.integer(in: bytes, range) else {
            fail(.notANumber)
            return 0
        }
        return value
    }

    /// Returns `nil` when the field holds no value.
    @_lifetime(self: copy self)
    mutating func optionalInteger() -> Int64? {
        let range = next()
        guard fault == nil, !range.isEmpty else { return nil }
        guard let value = Self.integer(in: bytes, range) else {
            // The ends of `long` and the largest double also mean "no value".
            if case .unset = DecimalText.read(bytes, range) { return nil }
            fail(.notANumber)
            return nil
        }
        return value == 2_147_483_647 || value == Int64.max || value == Int64.min ? nil : value
    }

    /// Reads a required number of 32 bits: of a request, of a kind of tick, of an error.
    @inline(__always)
    @_lifetime(self: copy self)
    mutating func number() -> Int32 {
        let value = integer()
        guard let number = Int32(exactly: value) else {
            fail(.outOfRange)
            return 0
        }
        return number
    }

    /// Reads `0` or `1`; empty means false.
    @_lifetime(self: copy self)
    mutating func flag() -> Bool {
        let range = next()
        guard !range.isEmpty else { return false }
        let byte = bytes.uint8(at: range.lowerBound)
        guard range.count == 1, byte == UInt8(ascii: "0") || byte == UInt8(ascii: "1") else {
            fail(.outOfRange)
            return false
        }
        return byte == UInt8(ascii: "1")
    }

    /// Reads how many entries of `fields` fields follow. An impossible count is a fault before any
    /// memory is reserved: each field has at least its terminator.
    @_lifetime(self: copy self)
    mutating func count(fields: Int) -> Int {
        let value = integer()
        guard fault == nil else { return 0 }
        guard value >= 0, value <= remaining / fields else {
            fail(.count)
            return 0
        }
        return Int(value)
    }

    /// Reads digits with an optional sign, within 64 bits.
    @inline(__always)
    static func integer(in bytes: RawSpan, _ range: Range<Int>) -> Int64? {
        guard !range.isEmpty else { return nil }
        var place = range.lowerBound
        let isNegative = bytes.uint8(at: place) == UInt8(ascii: "-")
        if isNegative { place += 1 }
        guard place < range.upperBound, range.upperBound - place <= 19 else { return nil }
        var value: UInt64 = 0
        while place < range.upperBound {
            let digit = bytes.uint8(at: place) &- 0x30
            guard digit <= 9 else { return nil }
            // 19 digits are within 64 bits without a sign.
            value = value &* 10 &+ UInt64(digit)
            place += 1
        }
        guard let magnitude = Int64(exactly: value) else { return nil }
        return isNegative ? -magnitude : magnitude
    }
}

// Decimals.
extension FieldCursor {
    /// Returns undefined for "no value". A value that 64 bits of 1e-9 cannot hold is counted:
    /// rounded when it is too precise, undefined when it is too large.
    @inline(__always)
    @_lifetime(self: copy self)
    mutating func price() -> Price { Price(raw: decimal(next(), Price.decimals, .refuse)) }

    /// Reads an average, rounded to 1e-9.
    @_lifetime(self: copy self)
    mutating func average() -> Price { Price(raw: decimal(next(), Price.decimals, .round)) }

    /// Reads a number that the provider computed in binary, rounded to 1e-9.
    @_lifetime(self: copy self)
    mutating func ratio() -> Ratio { Ratio(raw: decimal(next(), Ratio.decimals, .round)) }

    /// Reads a size in 1e-8, like a price. A negative size is no value.
    @inline(__always)
    @_lifetime(self: copy self)
    mutating func size() -> Quantity { size(next()) }

    @inline(__always)
    @_lifetime(self: copy self)
    mutating func size(_ range: Range<Int>) -> Quantity {
        let raw = decimal(range, Quantity.decimals, .refuse)
        return raw < 0 ? .undefined : Quantity(raw: raw)
    }

    /// Reads the volume of a bar in 1e-8, in 128 bits. A negative one is no value.
    @_lifetime(self: copy self)
    mutating func volume() -> Int128 {
        let range = next()
        guard fault == nil else { return ProviderBar.undefinedVolume }
        switch DecimalText.read(bytes, range) {
        case .unset: return ProviderBar.undefinedVolume
        case .malformed: fail(.notANumber)
        case .number(let number):
            if let value = number.scaledWide(to: Quantity.decimals, .refuse) {
                return value < 0 ? ProviderBar.undefinedVolume : value
            }
            losses.numbers &+= 1
            if let value = number.scaledWide(to: Quantity.decimals, .round), value > 0 {
                return value
            }
        }
        return ProviderBar.undefinedVolume
    }

    /// Reads the number of trades of a bar. A negative number is no value.
    @_lifetime(self: copy self)
    mutating func tradeCount() -> Int64 {
        guard let value = optionalInteger(), value >= 0 else {
            return ProviderBar.undefinedCount
        }
        return value
    }

    /// Returns the raw value, `Int64.max` for none.
    @inline(__always)
    @_lifetime(self: copy self)
    mutating func decimal(
        _ range: Range<Int>, _ decimals: Int, _ excess: DecimalText.Excess
    ) -> Int64 {
        guard fault == nil else { return Int64.max }
        switch DecimalText.read(bytes, range) {
        case .number(let number):
            if let value = number.scaled(to: decimals, excess) { return value }
            losses.numbers &+= 1
            // A trade without its price would be in no bar, so the price is rounded. A value that
            // rounds to 0 is treated as none.
            if let value = number.scaled(to: decimals, .round), value != 0 { return value }
        case .unset: break
        case .malformed: fail(.notANumber)
        }
        return Int64.max
    }
}
