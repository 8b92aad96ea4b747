import MarketModel
import Primitives
import ServiceRuntime
import Testing

@testable import ProviderGateway

@Suite("The symbols of a synthetic market")
struct SyntheticSymbolsTests {
    private func refusal(_ items: [String]) -> String? {
        do throws(SettingsError) {
            _ = try SyntheticSymbols.named(items)
            return nil
        } catch {
            return "\(error)"
        }
    }

    @Test("an item is a symbol, or so many that are numbered from 1, in the order of the items")
    func items() throws {
        let found = try SyntheticSymbols.named(["BRK.B", "S*3", "T*1", "A*B*2"])
        #expect(found.map(\.text) == ["BRK.B", "S1", "S2", "S3", "T1", "A*B1", "A*B2"])
    }

    @Test("as many symbols are made as a source has at most, all of them different")
    func many() throws {
        let most = SyntheticMarket.symbolsMax
        #expect(most == ProviderLimits.instrumentsMax && most >= 10_000)
        let found = try SyntheticSymbols.named(["A", "S*\(most - 1)"])
        #expect(found.count == most && Set(found).count == most)
        #expect(found[1].text == "S1" && found.last?.text == "S\(most - 1)")
        // Every one of them has ticks.
        let market = SyntheticMarket(
            SyntheticMarket.Settings(seed: 7, symbols: found, rate: 20_000))
        var isSeen = [Bool](repeating: false, count: most)
        for index in 0..<UInt64(most * 24) { isSeen[market.symbol(ofTick: index)] = true }
        #expect(isSeen.allSatisfy { $0 })
    }

    @Test(
        "what names no symbols, too many or one of them twice is refused",
        arguments: [
            ([], "1 to 16384"), (["S*16385"], "1 to 16384"), (["S*16384", "T"], "1 to 16384"),
            (["T", "S*9223372036854775807"], "1 to 16384"), (["S*3", "S2"], "S2 is there twice"),
            (["S*3", "S*2"], "S1 is there twice"), (["*3"], "S*3"), (["S*"], "S*3"),
            (["S*0"], "S*3"), (["S*-1"], "S*3"), (["S*+1"], "S*3"), (["S*03"], "S*3"),
            (["S*99999999999999999999"], "S*3"), (["S*x"], "S*3"), (["a\u{1}"], "is no symbol"),
        ] as [([String], String)])
    func refused(items: [String], why: String) throws {
        let told = try #require(refusal(items))
        #expect(told.hasPrefix("SYNTHETIC_SYMBOLS: ") && told.contains(why), "\(told)")
    }
}
