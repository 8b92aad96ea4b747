internal import EngineKit
internal import MarketModel
internal import Primitives

/// The service's numbers of exchanges and of sale conditions, as the letters of the tapes. With
/// these letters tables of conditions and queries are the same for each vendor of US stocks.
///
/// Exchanges are those of `/v3/reference/exchanges` (`participant_id`), conditions those of
/// `/v3/reference/conditions` (`sip_mapping`).
struct MassiveCodes: Sendable {
    /// By the number of the exchange; a blank: there is no letter.
    private let exchanges = Array(" ABCDEIJKMNPTSLVWXYZHU".utf8)

    /// By the number of the condition; `?`: it has no letter, or one that means something else in
    /// the other plan: 4 (bunched trade) has the `B` of an average price, and 6 (CAP election) the
    /// `I` of an odd lot. Both allow everything, as a letter that no table lists.
    private let conditions = Array("@AWE?G?C6X4DTUFMQO56NHPKKO?15RL2Z3S?YI9?????????????V7".utf8)

    /// Returns the letter of an exchange; 0: it has none.
    func exchange(_ number: UInt64) -> UInt8 {
        number > 0 && number < UInt64(exchanges.count) ? exchanges[Int(number)] : 0
    }

    /// Returns the letter of a condition. `tape`: 1 and 2 are of CTA, 3 is of UTP.
    func condition(_ number: UInt64, tape: UInt64) -> UInt8 {
        guard number < UInt64(conditions.count) else { return UInt8(ascii: "?") }
        if number == 2, tape != 3 { return UInt8(ascii: "B") }
        return conditions[Int(number)]
    }

    /// Returns the letter of an exchange, or its number if it has none.
    func text(ofExchange number: UInt64) -> ShortText {
        let letter = exchange(number)
        guard letter == 0, number > 0 else { return ShortText(raw: UInt64(letter)) }
        var (raw, rest) = (UInt64(0), number % 100_000_000)
        while rest > 0 {
            raw = raw << 8 | (UInt64(UInt8(ascii: "0")) + rest % 10)
            rest /= 10
        }
        return ShortText(raw: raw)
    }

    /// Returns the letters of a list of sale conditions. Those beyond the eighth are left out.
    func conditions(
        _ field: JSONFieldReader.Field, tape: UInt64, in bytes: RawSpan
    ) -> ShortText {
        guard field.kind == .array else { return .empty }
        var (raw, count, number, hasDigit) = (UInt64(0), UInt64(0), UInt64(0), false)
        for place in field.start..<field.end where count < UInt64(ShortText.utf8CountMax) {
            let digit = bytes.uint8(at: place) &- 0x30
            if digit <= 9 {
                number = min(number, 1_000) * 10 + UInt64(digit)
                hasDigit = true
            } else if hasDigit {
                raw |= UInt64(condition(number, tape: tape)) << (8 * count)
                (count, number, hasDigit) = (count + 1, 0, false)
            }
        }
        return ShortText(raw: raw)
    }

    /// Returns the number on the tape: the service's number rises by symbol and day; 0: it has
    /// none. `mark`: a byte that tells apart trades of one number.
    func number(
        _ number: UInt64?, mark: UInt64 = 0, _ time: Timestamp, _ exchange: UInt64
    ) -> UInt64 {
        guard let number, number != 0 else { return 0 }
        return TradeNumber.number(
            exchange: self.exchange(exchange), day: TradeNumber.day(of: time),
            id: TradeNumber.id(number, mark: mark, bits: Self.idBits - Self.numberBits))
    }

    /// The bits of the service's number in an id of `TradeNumber`.
    private static let numberBits: UInt64 = 38
    private static let idBits: UInt64 = 46
    private static let dayBits: UInt64 = 12

    /// Returns the day and the service's number, without the mark and the exchange.
    static func place(_ number: UInt64) -> UInt64 {
        let day = number >> idBits & (1 << dayBits - 1)
        return day << numberBits | number & (1 << numberBits - 1)
    }

    /// Returns the mark of a trade: two trades of one exchange may have one number in one
    /// millisecond, and then their own ids differ, by their last digits. Without one, price, size
    /// and conditions do.
    func mark(_ id: JSONFieldReader.Field, _ trade: Trade, in bytes: RawSpan) -> UInt64 {
        var sum: UInt64 = 0
        if id.kind == .text || id.kind == .number, id.end > id.start {
            for place in id.start..<id.end { sum = sum &* 10 &+ UInt64(bytes.uint8(at: place)) }
        } else {
            let content = UInt64(TradeNumber.content(trade.price, trade.size))
            sum = ((content ^ trade.conditions.raw) &* 0x9e37_79b9_7f4a_7c15) >> 40
        }
        return sum & 0xff
    }
}
