package import MarketModel
package import Primitives

extension JSONFieldReader.Field {
    /// Returns an average price, which comes with more digits than a price has, rounded; undefined:
    /// it is no number, or beyond a price.
    package func averagePrice(in bytes: RawSpan) -> Price {
        guard kind == .number else { return .undefined }
        let digits = 9
        do throws(FixedPoint.ParseError) {
            let wide = try FixedPoint.parseWide(
                bytes.extracting(start..<end), decimals: Price.decimals + digits)
            let unit: Int128 = 1_000_000_000
            let (whole, rest) = wide.quotientAndRemainder(dividingBy: unit)
            let rounded = rest * 2 >= unit ? whole + 1 : whole
            return Int64(exactly: rounded).map { Price(raw: $0) } ?? .undefined
        } catch {
            // What it is an average of is right without it.
            return .undefined
        }
    }
}
