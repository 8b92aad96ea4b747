import AlpacaEngine
import EngineKit
import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import TestSupport
import Testing

@testable import AlpacaProvider
@testable import StreamKit

@Suite("The page of a provider, between two showings")
struct ShownSoonTests {
    private static var service: AlpacaSetup {
        get throws {
            let agent = ConfigurationKey("GATEWAY_USER_AGENT", .text, "Who asks.")
            let description = ServiceDescription(
                name: "t", version: "0", summary: "A provider.",
                keys: ProviderKind.alpaca.keys + [agent])
            let decision = ServiceCommandLine(description).decide(arguments: [], environment: [:])
            guard case .run(let configuration) = decision else { throw Unusable() }
            return try AlpacaSetup(configuration, seed: 1)
        }
    }

    private struct Unusable: Error {}

    @Test(
        "a refusal is there at once, and other changes are when it is due",
        arguments: [
            (StreamNote.refusedAccount(reason: "no such key"), 1),
            (.refused(instrument: 0, reason: "no such symbol"), 1),
            (.refusedRequest(reason: "no such list"), 0),
        ])
    func refused(note: StreamNote, feeds: Int) throws {
        let instrument = try Instrument.named("AAPL")
        let order = ProviderOrder(
            source: try #require(SourceName("alpaca")),
            registry: InstrumentRegistry([instrument]), instruments: [0])
        let log = CapturedLog()
        let service = try Self.service
        let report = ProviderReport(
            service, order,
            TelemetryHub(
                logger: Logger(service: "t", level: .info, format: .json, sink: log.sink),
                metrics: MetricRegistry()))
        var engine = AlpacaEngine(AlpacaSettings(.iex, seed: 1))
        let now = Moment(
            wall: Timestamp(nanoseconds: 1_771_858_800_000_000_000),
            monotonic: MonotonicTime(nanoseconds: 1_000_000_000))
        report.show(engine, now)
        var out = StreamMachine.Output()
        engine.follow(
            begun: [
                BegunInstrument(number: 0, instrument: instrument, reached: .undefined)
            ], ended: [], gaps: [], now, into: &out)
        report.show(engine, now)
        #expect(report.present?.feeds.count == 0)
        service.report(note, to: report)
        report.show(engine, now)
        #expect(report.present?.feeds.count == feeds)
    }
}
