import IBKRProvider
import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import ServiceTestSupport
import TestSupport
import Testing

@testable import ProviderGateway
@testable import ProviderGatewayTests

@Suite("The broker's provider at its end")
struct BrokerEndTests {
    @Test("what it has to say waits for a channel that is full")
    func full() throws {
        let list =
            "\(ServerPrograms.checkout)/services/provider-gateway/instruments/benchmarks.yaml"
        let service = try TestService(
            Main.description,
            [
                "GATEWAY_PROVIDER": "ibkr", "IBKR_PORT": "\(freePort())",
                "GATEWAY_INSTRUMENTS": list,
            ])
        let provider = try ProviderKind.interactiveBrokers.make(
            ProviderKind.Context(
                configuration: service.context.configuration,
                telemetry: service.context.telemetry, threads: service.context.threads))
        let channel = ProviderChannel(recordsMax: 1)
        let now = SystemClock().now()
        var records: [ProviderRecord] = [
            .tape(
                .bulletin(
                    NewsBulletin(
                        header: TickHeader(
                            symbol: TickHeader.noSymbol, providerTime: now, receiveTime: now),
                        kind: .regular, text: "in the way")))
        ]
        _ = channel.send(&records, floor: .undefined)
        let spy = try Instrument.named("SPY")
        let order = ProviderOrder(
            source: try #require(SourceName("feed")), registry: InstrumentRegistry([spy]),
            instruments: [0], reached: [now])
        try provider.start(order, into: channel)
        // No thread takes records meanwhile.
        _ = provider.stop(within: .milliseconds(300))
        var gaps: [GapRecord] = []
        #expect(
            eventually {
                _ = channel.receive(into: &records)
                for case .tape(.gap(let gap)) in records { gaps.append(gap) }
                records.removeAll()
                return !gaps.isEmpty
            })
        // The gap begins with the second in which a trade may have been on its way.
        let begin = now.advanced(byNanoseconds: -500_000_000).floored(toNanoseconds: 1_000_000_000)
        #expect(gaps.map(\.from) == [begin] && provider.stop(within: .seconds(10)))
    }
}
