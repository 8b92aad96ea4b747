package import MarketModel
package import Primitives

// Fields of messages and of pages, as the tape has them.
extension JSONFieldReader.Field {
    package func price(in bytes: RawSpan) throws(FixedPoint.ParseError) -> Price {
        Price(raw: try decimal(in: bytes, decimals: Price.decimals))
    }

    package func quantity(in bytes: RawSpan) throws(FixedPoint.ParseError) -> Quantity {
        Quantity(raw: try decimal(in: bytes, decimals: Quantity.decimals))
    }

    /// Returns a sum of sizes in the unit of `Quantity`.
    package func volume(in bytes: RawSpan) throws(FixedPoint.ParseError) -> Int128 {
        guard kind == .number || kind == .text else { throw .notANumber }
        return try FixedPoint.parseWide(
            bytes.extracting(start..<end), decimals: Quantity.decimals)
    }

    /// Returns this field, or another one if this one is absent.
    package func or(_ other: JSONFieldReader.Field) -> JSONFieldReader.Field {
        kind == .absent ? other : self
    }

    /// Returns an average price, rounded; undefined: it is no number, or beyond a price.
    package func averagePrice(in bytes: RawSpan) -> Price {
        guard kind == .number else { return .undefined }
        do throws(FixedPoint.ParseError) {
            let wide = try rounded(in: bytes, decimals: Price.decimals)
            return Int64(exactly: wide).map { Price(raw: $0) } ?? .undefined
        } catch {
            // What it is an average of is right without it.
            return .undefined
        }
    }

    /// Returns a decimal in units of 10^-decimals. Up to nine more digits are rounded, a half to
    /// the even neighbour.
    package func rounded(
        in bytes: RawSpan, decimals: Int
    ) throws(FixedPoint.ParseError) -> Int128 {
        guard kind == .number || kind == .text else { throw .notANumber }
        let unit: Int128 = 1_000_000_000
        let wide = try FixedPoint.parseWide(
            bytes.extracting(start..<end), decimals: decimals + 9)
        let (whole, rest) = wide.quotientAndRemainder(dividingBy: unit)
        let twice = rest.magnitude * 2
        let isUp = twice > unit.magnitude || twice == unit.magnitude && whole % 2 != 0
        return isUp ? whole + wide.signum() : whole
    }
}

extension RawSpan {
    /// Says that a part of what is at a place does not fit.
    package func misfit(_ what: String, at place: Range<Int>) -> String {
        let most = place.lowerBound..<min(place.upperBound, place.lowerBound + 200)
        return "\(what) of it does not fit: \(extracting(most).text)"
    }
}

extension ProviderBar {
    /// A bar of a length. `header` has its first moment; `prices`: open, high, low and close.
    package init(
        _ header: TickHeader, length: Int64, prices: InlineArray<4, JSONFieldReader.Field>,
        volume: Int128, in bytes: RawSpan
    ) throws(FixedPoint.ParseError) {
        var header = header
        let open = header.providerTime
        header.providerTime = open.advanced(byNanoseconds: length)
        self.init(header: header, openTime: open, closeTime: header.providerTime, kind: .trades)
        self.open = try prices[0].price(in: bytes)
        high = try prices[1].price(in: bytes)
        low = try prices[2].price(in: bytes)
        close = try prices[3].price(in: bytes)
        self.volume = volume
    }
}
