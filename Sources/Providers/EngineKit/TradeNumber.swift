package import MarketModel
package import Primitives

/// The number on the tape of a US stock's trade. Services' ids are distinct only for one symbol,
/// exchange and day, so all three are in it: the exchange in five bits, the day in twelve, the id
/// in 46.
package enum TradeNumber {
    private static let idBits: UInt64 = 46
    private static let dayBits: UInt64 = 12
    /// The exchange of trades that name none.
    private static let none: UInt64 = 26
    /// Marks a number that is made by mixing, because its parts have more bits.
    private static let mixed: UInt64 = 31
    private static let dayNanoseconds: Int64 = 86_400_000_000_000
    /// Days begin at midnight of New York's winter time, when no market is open.
    private static let dayBegin: Int64 = 5 * 3_600_000_000_000

    /// Returns the day of a time, counted from 1970.
    package static func day(of time: Timestamp) -> Int64 {
        let (shifted, overflow) = time.nanoseconds.subtractingReportingOverflow(dayBegin)
        guard !overflow else { return 0 }
        let (days, rest) = shifted.quotientAndRemainder(dividingBy: dayNanoseconds)
        return rest < 0 ? days - 1 : days
    }

    /// Returns the first moment of the day of a time.
    package static func begin(ofDay day: Int64) -> Timestamp {
        let (whole, overflow) = day.multipliedReportingOverflow(by: dayNanoseconds)
        let (sum, carry) = whole.addingReportingOverflow(dayBegin)
        return Timestamp(nanoseconds: overflow || carry ? 0 : sum)
    }

    /// `exchange`: its letter; 0: none. The number is never 0.
    package static func number(exchange: UInt8, day: Int64, id: UInt64) -> UInt64 {
        let letter = UInt64(exchange &- UInt8(ascii: "A"))
        let place = exchange == 0 ? none : letter
        let days = UInt64(truncatingIfNeeded: day) & (1 << dayBits - 1)
        guard id >> idBits == 0, place <= none, exchange == 0 || place < none else {
            var mix = (id ^ UInt64(exchange) << 56) &* 0x9e37_79b9_7f4a_7c15
            mix = (mix ^ mix >> 32) &* 0xd6e8_feb8_6659_fd93
            return parts(mixed, days, mix >> (64 - idBits))
        }
        return max(1, parts(place, days, id))
    }

    /// Returns an id that tells apart trades of one id, by a mark of so many bits. One for which no
    /// room is left is mixed.
    package static func id(_ id: UInt64, mark: UInt64, bits: UInt64) -> UInt64 {
        let room = idBits - bits
        let part = mark & (1 << bits - 1)
        return id >> room == 0 ? part << room | id : 1 << 63 | id ^ part << (63 - bits)
    }

    /// Returns a mix of what a trade was, where its id does not tell it from all others.
    package static func content(_ price: Price, _ size: Quantity) -> UInt32 {
        var mix = UInt64(bitPattern: price.raw) &* 0x9e37_79b9_7f4a_7c15
        mix = (mix ^ mix >> 32 ^ UInt64(bitPattern: size.raw)) &* 0xd6e8_feb8_6659_fd93
        return UInt32(truncatingIfNeeded: mix >> 32)
    }

    private static func parts(_ exchange: UInt64, _ day: UInt64, _ id: UInt64) -> UInt64 {
        exchange << (dayBits + idBits) | day << idBits | id
    }
}
