internal import MarketModel
internal import Primitives

/// Writes the fields of one request after its length. The first error is kept.
struct RequestWriter {
    static let bodyBytesMax = 64 * 1_024

    /// The first four are the length, which `finished` sets.
    private(set) var bytes: [UInt8] = [0, 0, 0, 0]
    /// `nil`: everything could be written so far.
    private(set) var error: RequestError?

    mutating func fail(_ error: RequestError) {
        if self.error == nil { self.error = error }
    }

    mutating func integers(_ values: Int32...) {
        for value in values { integer(Int64(value)) }
    }

    mutating func integer(_ value: Int64) {
        bytes.append(digitsOf: value)
        bytes.append(0)
    }

    mutating func flag(_ value: Bool) { integer(value ? 1 : 0) }

    mutating func text(_ value: String, _ field: StaticString) {
        let isClean = value.utf8.allSatisfy {
            (0x20...0x7e).contains($0) || $0 == 0x09 || $0 == 0x0a || $0 == 0x0d
        }
        guard isClean else {
            fail(.notASCII(field: "\(field)"))
            return
        }
        bytes.append(contentsOf: value.utf8)
        bytes.append(0)
    }

    /// Writes a price; empty when undefined.
    mutating func price(_ value: Price) {
        if value.isDefined { bytes.append(decimal: value.raw, decimals: Price.decimals) }
        bytes.append(0)
    }

    /// Writes fields without a value.
    mutating func empty(_ count: Int = 1) {
        for _ in 0..<count { bytes.append(0) }
    }

    mutating func contract(_ contract: Contract) {
        integer(Int64(contract.id))
        text(contract.symbol, "symbol")
        text(contract.kind.text, "security type")
        text(contract.lastTradeDate, "last trade date")
        price(contract.strike)
        text(contract.right, "right")
        text(contract.multiplier, "multiplier")
        text(contract.exchange, "exchange")
        text(contract.primaryExchange, "primary exchange")
        text(contract.currency, "currency")
        text(contract.localSymbol, "local symbol")
        text(contract.tradingClass, "trading class")
    }

    mutating func time(_ time: RequestTime) {
        switch time {
        case .open: empty()
        case .at(let time):
            guard time.isDefined else { return fail(.number(field: "time")) }
            append(time)
            bytes.append(0)
        }
    }

    /// Writes `yyyymmdd-hh:mm:ss`, which means UTC.
    private mutating func append(_ time: Timestamp) {
        let perDay: Int64 = .days(1)
        var (days, rest) = time.nanoseconds.quotientAndRemainder(dividingBy: perDay)
        if rest < 0 {
            rest += perDay
            days -= 1
        }
        let date = CivilDate(daysSinceEpoch: days)
        let seconds = UInt64(rest / 1_000_000_000)
        bytes.append(digitsOf: UInt64(date.year.magnitude), padded: 4)
        bytes.append(digitsOf: UInt64(date.month.magnitude), padded: 2)
        bytes.append(digitsOf: UInt64(date.day.magnitude), padded: 2)
        bytes.append(UInt8(ascii: "-"))
        bytes.append(digitsOf: seconds / 3_600, padded: 2)
        bytes.append(UInt8(ascii: ":"))
        bytes.append(digitsOf: seconds / 60 % 60, padded: 2)
        bytes.append(UInt8(ascii: ":"))
        bytes.append(digitsOf: seconds % 60, padded: 2)
    }

    /// Returns the request with its length in front.
    consuming func finished() throws(RequestError) -> [UInt8] {
        if let error { throw error }
        let length = bytes.count - 4
        guard length <= Self.bodyBytesMax else { throw .tooLong }
        for place in 0..<4 {
            bytes[place] = UInt8(truncatingIfNeeded: length >> (24 - 8 * place))
        }
        return bytes
    }
}
