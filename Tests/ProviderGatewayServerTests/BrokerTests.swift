import IBKRProvider
import MarketModel
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeTransport
import TestSupport
import Testing

@testable import ProviderGateway
@testable import ProviderGatewayTests

@Suite("The broker and the watchlist")
struct BrokerTests {
    @Test("the watchlist adds what the broker delivers, and says in its words what it refuses")
    func watchlist() throws {
        let tape = try TestTape(NatsServer.shared(), namespace: "brkw")
        let broker = try BrokerSimulator(["SPY", "QQQ"], rate: 20, seed: 3)
        try broker.start()
        let source = try #require(SourceName("broker"))
        var spy = try Instrument.named("SPY", .level1)
        (spy.contract.exchange, spy.contract.currency) = ("SMART", "USD")
        let gateway = try TestGateway(
            tape,
            [
                "GATEWAY_PROVIDER": "ibkr", "GATEWAY_SOURCE": "broker", "GATEWAY_LIVE": "false",
                "IBKR_PORT": "\(broker.port)",
            ],
            providers: [.interactiveBrokers], instruments: [spy])
        let running = try gateway.start()
        let store = try WatchlistStore(tape.client, source)
        _ = try store.write(try InstrumentJoinTests.list("+QQQ +NOPE"), after: store.read())
        func reported(_ symbol: String) throws -> WatchlistReport.Instrument? {
            try WatchlistStore.reports(tape.client).reports.first?.instruments
                .first { $0.symbol.text == symbol }
        }
        #expect(try eventually { try reported("QQQ")?.state == .subscribed })
        #expect(try eventually { try reported("NOPE")?.state == .refused })
        #expect(try reported("NOPE")?.reason.contains("No security definition") == true)
        #expect(try reported("SPY")?.state == .subscribed && reported("QQQ")?.origin == .added)
        _ = try store.write(try InstrumentJoinTests.list("~QQQ"), after: store.read())
        #expect(try eventually { try reported("QQQ") == nil })
        #expect(
            try eventually {
                try gateway.status.at("providers", "ibkr", "instruments")?.array?
                    .compactMap { $0["symbol"]?.string } == ["SPY"]
            })
        #expect(try running.stop() == .success)
        // Its end is on the tape, and no gap of it stays open.
        let gaps = try tape.records(of: source).filter { $0.symbol == "QQQ" }.compactMap(\.gap)
        #expect(gaps.last?.to.isDefined != false)
    }
}
