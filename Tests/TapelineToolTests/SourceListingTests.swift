import MarketModel
import Primitives
import TestSupport
import Testing

@testable import TapelineTool

@Suite("The sources of a tape, for a person") struct SourceListingTests {
    @Test("real, delayed, simulated, loaded and made-up ticks are told apart")
    func kinds() throws {
        func kind(_ name: String, _ provider: String, simulated: Set<String> = []) throws -> String
        {
            SurveyedSource(
                name: try #require(SourceName(name)), providers: [provider], partitions: [],
                lasts: [], retired: .undefined, gateways: []
            ).kind(simulated: simulated)
        }
        #expect(try kind("binance", "binance") == "real")
        #expect(try kind("binance", "binance", simulated: ["ibkr"]) == "real")
        #expect(try kind("binance", "binance", simulated: ["binance"]) == "simulated")
        #expect(try kind("binance-history", "binance") == "loaded")
        #expect(try kind("binance-history", "binance", simulated: ["binance"]) == "loaded")
        #expect(try kind("synthetic-history", "synthetic") == "made up")
        #expect(try kind("synthetic", "synthetic") == "made up")
        #expect(try kind("day", "replay") == "made up")
    }
}
