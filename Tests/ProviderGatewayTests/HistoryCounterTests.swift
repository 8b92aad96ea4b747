import AlpacaEngine
import AlpacaProvider
import EngineKit
import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import ServiceTestSupport
import StreamKit
import TestSupport
import Testing

@testable import ProviderGateway

/// A service that gives these answers, one after the other.
private final class AnsweringClient: HistoryClient {
    typealias Service = AlpacaHistoryService

    private var answers: [String]

    init(_ answers: [String]) { self.answers = answers }

    func ask(_ request: Service.Request) -> FetchOutcome<Service.Answer>? {
        .page(Array((answers.isEmpty ? "" : answers.removeFirst()).utf8))
    }

    func take(_ body: (UInt64, FetchOutcome<Service.Answer>) -> Void) {}

    func wait(_ timeout: Duration) {
        _ = ShutdownSignal().wait(timeout: timeout)
    }
}

@Suite("The plan of a load in which nothing counts trades")
struct HistoryCounterTests {
    private static func page(_ name: String, _ rows: String) -> String {
        "{\"\(name)\":{\"AAPL\":[\(rows)]},\"next_page_token\":null}"
    }

    private static func bar(trades: Int) -> String {
        page(
            "bars",
            "{\"t\":\"2026-02-02T15:00:00Z\",\"o\":1,\"h\":1,\"l\":1,\"c\":1,\"v\":9,"
                + "\"n\":\(trades),\"vw\":1}")
    }

    private static let trade = page(
        "trades",
        "{\"t\":\"2026-02-02T15:00:01Z\",\"x\":\"V\",\"p\":1,\"s\":1,\"c\":[\"@\"],\"i\":1,"
            + "\"z\":\"C\"}")

    @Test(
        "its bars say roughly how many there are; where these have none, a trade is looked for",
        arguments: [
            ([bar(trades: 7)], HistoryPlan.Count.about(7)),
            ([bar(trades: 0), page("trades", "")], .exactly(0)),
            ([bar(trades: 0), trade], .unknown),
            ([page("bars", ""), page("trades", "")], .exactly(0)),
        ])
    func trades(answers: [String], count: HistoryPlan.Count) throws {
        let folder = try TemporaryFolder("history-counter")
        let list = try folder.write(
            "version: 1\ndefaults: {security: stock, exchange: SMART, currency: USD}\n"
                + "instruments: [AAPL]\n", to: "list.yaml")
        let service = try TestService(
            Main.description(of: [.synthetic, .alpaca, .alpacaHistory]),
            [
                "GATEWAY_PROVIDER": "alpaca-history", "HISTORY_FROM": "2026-02-02T00:00:00Z",
                "HISTORY_TO": "2026-02-03T00:00:00Z", "ALPACA_API_KEY": "k",
                "ALPACA_API_SECRET": "s", "GATEWAY_INSTRUMENTS": list,
            ]
        ).context
        let counter = HistoryCounter<AnsweringClient>(
            AlpacaHistoryService(.sip, bars: .minute), try HistorySettings(service.configuration))
        let instrument = try Instrument.named("AAPL")
        let plan = counter.plan(
            AnsweringClient(answers), [instrument], service.shutdown, service.telemetry)
        #expect(plan.entries.map(\.count) == [count], "\(plan.entries.map(\.problem))")
    }
}
