import AlpacaEngine
import EngineKit
import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import ServiceTestSupport
import Testing

@testable import AlpacaProvider
@testable import StreamKit

@Suite("The page of a provider, between two showings")
struct ShownSoonTests {
    @Test(
        "a refusal is there at once, and other changes are when it is due",
        arguments: [
            (StreamNote.refusedAccount(reason: "no such key"), 1),
            (.refused(instrument: 0, reason: "no such symbol"), 1),
            (.refusedRequest(reason: "no such list"), 0),
        ])
    func refused(note: StreamNote, feeds: Int) throws {
        let instrument = Instrument(
            symbol: try #require(Symbol("AAPL")), contract: Instrument.Contract(.stock),
            feeds: .trades)
        let order = ProviderOrder(
            source: try #require(SourceName("alpaca")),
            registry: InstrumentRegistry([instrument]), instruments: [0])
        let log = CapturedLog()
        let report = StreamReport<AlpacaSetup>(
            order,
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
        AlpacaSetup.report(note, to: report)
        report.show(engine, now)
        #expect(report.present?.feeds.count == feeds)
    }
}
