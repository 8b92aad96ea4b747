import MarketModel
import Testing

@Suite struct PartitionTests {
    /// Python: `mmh3.hash(symbol, signed=False) % 32`.
    @Test(
        "a symbol's partition is that of Python's mmh3",
        arguments: [
            ("AAPL", 7), ("BRK.B", 19), ("ES=F", 10), ("BTC/USD", 21), ("^GSPC", 20), ("7203.T", 7),
            ("😀", 26), ("SPY   261218C00500000", 27),
        ])
    func known(text: String, number: Int) throws {
        let symbol = try #require(Symbol(text))
        #expect(Partition(of: symbol, count: 32) == Partition(number))
    }
}
