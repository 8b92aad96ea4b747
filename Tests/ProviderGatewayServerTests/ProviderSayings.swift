import Foundation
import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import ServiceTestSupport
import TestSupport
import Testing

@testable import ProviderGateway

/// Everything that a provider says while it runs: what a secret must not be in.
struct ProviderSayings {
    let kind: ProviderKind
    let instrument: Instrument
    let environment: [String: String]

    /// What came until now.
    struct Sofar {
        let records: [ProviderRecord]
        let page: String
        let log: String
    }

    /// Runs the provider until `isEnough`, then without the instrument, and returns log, page,
    /// records, metrics and dumps in one text.
    func text(until isEnough: (Sofar) throws -> Bool) throws -> String {
        let log = CapturedLog()
        let telemetry = TelemetryHub(
            logger: Logger(service: "test", level: .trace, format: .json, sink: log.sink),
            metrics: MetricRegistry())
        let configuration = try TestService.configuration(
            Main.description(of: [.synthetic, kind]), environment)
        let source = try kind.make(
            ProviderKind.Context(
                configuration: configuration, telemetry: telemetry, threads: ThreadWatch()))
        let order = ProviderOrder(
            source: try #require(SourceName("test")),
            registry: InstrumentRegistry([instrument]), instruments: [0])
        let channel = ProviderChannel()
        func page() -> String {
            JSONWriter.made(capacity: 1_024) { source.write(into: &$0) }.text
        }
        let before = page()
        #expect(before.contains("stopped"))
        try source.start(order, into: channel)
        var records: [ProviderRecord] = []
        let isThere = try eventually {
            var batch: [ProviderRecord] = []
            _ = channel.receive(into: &batch)
            records += batch
            return try isEnough(Sofar(records: records, page: page(), log: log.text))
        }
        #expect(isThere, "\(page()) \(log.text)")
        source.follow(begun: [], ended: [0])
        var dumped = ""
        dump(source, to: &dumped)
        let everything = [
            log.text, page(), "\(records)", "\(source.standings)", dumped, "\(configuration)",
            String(decoding: telemetry.metrics.render(), as: UTF8.self),
        ].joined(separator: "\n")
        // It ends by the order alone, while its last records have room.
        #expect(source.stop(within: .seconds(10)))
        channel.close()
        return everything
    }
}
