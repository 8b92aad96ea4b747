package import MarketModel
package import Primitives

// Numbers that come with more digits than the tape has.
extension JSONFieldReader.Field {
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
