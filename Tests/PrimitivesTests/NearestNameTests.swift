import Primitives
import Testing

@Suite("The nearest name")
struct NearestNameTests {
    @Test("a name is offered for another one, and not for itself")
    func nearest() {
        let names = ["AAPL", "MSFT", "binance"]
        #expect(NearestName.of("APPL", in: names) == "AAPL")
        #expect(NearestName.of("aapl", in: names) == "AAPL")
        #expect(NearestName.of("binanec", in: names) == "binance")
        #expect(NearestName.of("AAPL", in: names) == nil)
        #expect(NearestName.of("TSLA", in: names) == nil)
    }
}
