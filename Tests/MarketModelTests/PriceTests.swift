import MarketModel
import Primitives
import Testing

@Suite struct PriceTests {
    @Test(
        "prices are read and written exactly",
        arguments: [
            ("0", 0), ("187.5", 187_500_000_000), ("-37.63", -37_630_000_000), ("0.000000001", 1),
            ("9223372036.854775806", Int64.max - 1), ("-9223372036.854775808", Int64.min),
        ] as [(String, Int64)])
    func price(text: String, raw: Int64) throws {
        let price = try Price(text)
        #expect(price == Price(raw: raw))
        #expect(price.isDefined)
        #expect(price.description == text)
    }

    @Test(
        "quantities are read and written exactly",
        arguments: [
            ("0", 0), ("100", 10_000_000_000), ("0.00000001", 1), ("-2.5", -250_000_000),
            ("92233720368.54775806", Int64.max - 1),
        ] as [(String, Int64)])
    func quantity(text: String, raw: Int64) throws {
        let quantity = try Quantity(text)
        #expect(quantity == Quantity(raw: raw))
        #expect(quantity.isDefined)
        #expect(quantity.description == text)
    }

    @Test("what does not fit is an error, not a rounded number")
    func refuses() {
        #expect(throws: FixedPoint.ParseError.tooPrecise) { try Price("0.0000000001") }
        #expect(throws: FixedPoint.ParseError.outOfRange) { try Price("9223372036.854775807") }
        #expect(throws: FixedPoint.ParseError.notANumber) { try Price("undefined") }
        #expect(throws: FixedPoint.ParseError.tooPrecise) { try Quantity("0.000000001") }
        #expect(throws: FixedPoint.ParseError.outOfRange) { try Quantity("92233720368.54775807") }
        #expect(throws: FixedPoint.ParseError.notANumber) { try Quantity("") }
    }

    @Test("undefined is no number, and the order is that of the numbers")
    func undefined() {
        #expect(!Price.undefined.isDefined && !Quantity.undefined.isDefined)
        #expect("\(Price.undefined) \(Quantity.undefined)" == "undefined undefined")
        #expect(Price(raw: -1) < Price(raw: 0) && Price(raw: 0) < .undefined)
        #expect(Quantity(raw: 1) < Quantity(raw: 2) && Quantity(raw: 2) < .undefined)
    }
}
