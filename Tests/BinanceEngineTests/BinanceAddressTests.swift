import Testing

@testable import BinanceEngine

@Suite("The exchange's addresses")
struct BinanceAddressTests {
    @Test("an endpoint is asked for at each address once, first where it was last answered")
    func order() {
        var addresses = BinanceAddresses(["a", "b", "c"])
        func all(_ endpoint: String) -> [String?] {
            (0...3).map { addresses.address(of: endpoint, attempt: $0) }
        }
        #expect(all("historicalTrades") == ["a", "b", "c", nil])
        addresses.answered("historicalTrades", attempt: 1)
        #expect(all("historicalTrades") == ["b", "c", "a", nil])
        addresses.answered("historicalTrades", attempt: 0)
        #expect(all("historicalTrades") == ["b", "c", "a", nil])
        addresses.answered("historicalTrades", attempt: 2)
        #expect(all("historicalTrades") == ["a", "b", "c", nil])
        #expect(all("klines") == ["a", "b", "c", nil])
    }

    @Test("three statuses say that another address is to be asked")
    func statuses() {
        let others = (100...599).filter { BinanceAddresses.isElsewhere(status: $0) }
        #expect(others == [403, 404, 451])
    }
}
