import MarketModel
import Primitives
import ProviderKit
import Testing
import YAMLFile

@testable import TapelineTool

@Suite("The contracts of a load")
struct LoadInstrumentsTests {
    private static let list = """
        version: 1
        defaults: {security: stock, exchange: SMART, currency: USD, feeds: quotes}
        instruments:
          - SPY
          - {symbol: ASML, provider_symbol: ASML, exchange: AEB, currency: EUR, feeds: trades}
          - {symbol: ESZ6, security: future, exchange: CME, provider_symbol: ES, expiry: "202612",
             multiplier: 50, feeds: [trades, all-trades]}
          - {symbol: SPY-C, security: option, provider_symbol: SPY, expiry: "20261218", strike: 450,
             right: call}
          - {symbol: EUR/USD, security: forex, exchange: IDEALPRO}
        """

    private func find(
        _ words: [String], usual: [String] = ["stack.yaml"]
    ) throws -> LoadInstruments.Found {
        let now = try #require(ISOTime.parse("2026-11-20T12:00:00Z"))
        let command = try LoadCommand.parse(
            words + ["--from", "2026-11-01", "--to", "2026-11-02"], now: now)
        return try LoadInstruments(command, usual: usual).find { path, _ in
            path == "nothing.yaml"
                ? .failure(FileFailure("there is no such file")) : .success(Array(Self.list.utf8))
        }
    }

    /// What a gateway reads of a list.
    private func read(_ list: String) throws -> [Instrument] {
        try InstrumentFile.read(["list"]) { _, _ in .success(Array(list.utf8)) }
    }

    @Test("contracts come from the stack's list, and feeds are those of the live trades")
    func known() throws {
        let found = try find(["ibkr", "SPY", "ASML", "ESZ6", "SPY-C"])
        #expect(found.notes.isEmpty)
        let own = try read(Self.list)
        let read = try read(found.list)
        #expect(read.map(\.contract) == own.prefix(4).map(\.contract))
        #expect(read.map(\.symbol) == own.prefix(4).map(\.symbol))
        // Level 1 has unreported trades, too.
        #expect(read.map(\.feeds) == [.allTrades, .trades, .allTrades, .allTrades])
        let bars = try find(["ibkr", "EUR/USD", "--bars", "1d"])
        #expect(try self.read(bars.list).map(\.feeds) == [.bars])
        #expect(try self.read(bars.list).map(\.contract) == own.suffix(1).map(\.contract))
    }

    @Test("a symbol in no list is a stock at SMART, and that is said")
    func unknown() throws {
        for usual in [[], ["stack.yaml"]] {
            let found = try find(["ibkr", "NVDA"], usual: usual)
            let contract = try #require(try read(found.list).first?.contract)
            #expect(contract.security == .stock && contract.exchange == "SMART")
            #expect(contract.currency == "USD" && contract.providerSymbol.isEmpty)
            #expect(found.notes.count == 1 && found.notes[0].hasPrefix("NVDA: "))
        }
        // An exchange is asked by symbol alone.
        #expect(try find(["binance", "BTCUSDT"]).notes.isEmpty)
    }

    @Test("a given list has to have the symbol, and to be readable")
    func given() throws {
        #expect(
            complaint { try find(["ibkr", "NVDA", "--instruments", "own.yaml"]) }.contains(
                "NVDA is not in own.yaml"))
        #expect(
            complaint { try find(["ibkr", "NVDA", "--instruments", "nothing.yaml"]) }.contains(
                "nothing.yaml"))
    }

    @Test("a setting names files between commas")
    func files() {
        #expect(LoadInstruments.files(" a.yaml, b c.yaml,") == ["a.yaml", "b c.yaml"])
        #expect(LoadInstruments.files(nil).isEmpty)
    }
}
