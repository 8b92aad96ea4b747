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

    @Test("every partition of the range is used, and none outside", arguments: [1, 3, 32, 4_096])
    func covers(count: Int) throws {
        var hits = [Int](repeating: 0, count: count)
        for number in 0..<count * 20 {
            let symbol = try #require(Symbol("S\(number)"))
            hits[Partition(of: symbol, count: count).number] += 1
        }
        #expect(hits.allSatisfy { $0 > 0 })
    }

    @Test("partitions are ordered by number and read as it")
    func order() {
        #expect(Partition(2) < Partition(10))
        #expect([Partition(3), Partition(1)].max() == Partition(3))
        #expect("\(Partition(12))" == "12")
    }

    @Test("a count outside of the range is a bug")
    func trapsMisuse() async {
        await #expect(processExitsWith: .failure) {
            if let symbol = Symbol("A") { _ = Partition(of: symbol, count: 0) }
        }
        await #expect(processExitsWith: .failure) {
            if let symbol = Symbol("A") { _ = Partition(of: symbol, count: 4_097) }
        }
    }
}
