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

/// The provider itself on a simulated TWS, with two channels that the test takes from.
@Suite("Room for delayed data") struct DelayedRoomTests {
    private final class Stage {
        let broker: BrokerSimulator
        let provider: any ProviderSource
        let outlet: any DelayedProvider
        let live = ProviderChannel()
        let delayed: ProviderChannel
        let service: TestService
        private let order: ProviderOrder
        private(set) var liveTrades = 0

        /// SPY comes delayed, DIA live.
        init(source: String = "feed", recordsMax: Int) throws {
            broker = try BrokerSimulator(["SPY", "DIA"], rate: 60, seed: 4)
            try broker.start()
            guard broker.answers() else { throw BrokerGateway.Silent(description: broker.log) }
            _ = broker.command("permission SPY delayed")
            let list =
                "\(ServerPrograms.checkout)/services/provider-gateway/instruments/benchmarks.yaml"
            service = try TestService(
                Main.description,
                [
                    "GATEWAY_PROVIDER": "ibkr", "IBKR_PORT": "\(broker.port)",
                    "GATEWAY_INSTRUMENTS": list,
                ])
            provider = try ProviderKind.interactiveBrokers.make(
                ProviderKind.Context(
                    configuration: service.context.configuration,
                    telemetry: service.context.telemetry, threads: service.context.threads))
            outlet = try #require(provider.delayed)
            delayed = ProviderChannel(recordsMax: recordsMax)
            let instruments = try ["SPY", "DIA"].map { try Instrument.named($0, .level1) }
            order = ProviderOrder(
                source: try #require(SourceName(source)),
                registry: InstrumentRegistry(instruments), instruments: [0, 1])
            try provider.start(order, into: live)
        }

        func openDelayed() throws {
            var own = order
            own.source = try #require(order.source.delayed)
            own.instruments = []
            try outlet.start(own, into: delayed)
        }

        /// Takes what waits in the channel of live data. Returns how many trades have come so far.
        func takeLive() -> Int {
            var records: [ProviderRecord] = []
            _ = live.receive(into: &records)
            for case .tape(.trade(let trade)) in records {
                #expect(trade.header.symbol == 1 && !trade.header.flags.contains(.delayed))
                liveTrades += 1
            }
            return liveTrades
        }

        func takeDelayed() -> [TapeRecord] {
            var records: [ProviderRecord] = []
            _ = delayed.receive(into: &records)
            return records.compactMap { if case .tape(let record) = $0 { record } else { nil } }
        }

        /// How many delayed ticks were left out.
        var leftOut: Double {
            service.metric("mds_ibkr_delayed_left_out_ticks_total{source=\"feed\"}") ?? 0
        }
    }

    @Test("live data wait for nothing when nobody takes the delayed ones, which get a gap")
    func full() throws {
        let stage = try Stage(recordsMax: 20)
        #expect(eventually(within: 30) { stage.outlet.isNeeded })
        try stage.openDelayed()
        // The channel is full, as many wait in front of it, and further ones are left out.
        #expect(eventually(within: 30) { stage.takeLive() >= 0 && stage.leftOut > 20 })
        let trades = stage.takeLive()
        #expect(eventually(within: 30) { stage.takeLive() > trades + 20 })
        let leftOut = stage.leftOut
        #expect(leftOut > 20)
        var records = stage.takeDelayed()
        #expect(records.count >= 20)
        // There is room again: what waited comes, then the gap, then new ticks.
        #expect(
            eventually(within: 30) {
                records += stage.takeDelayed()
                let gap = records.firstIndex { if case .gap = $0 { true } else { false } }
                return gap.map { records.dropFirst($0).contains { $0.kind == .quote } } ?? false
            })
        let gaps = records.compactMap { if case .gap(let gap) = $0 { gap } else { nil } }
        #expect(gaps.contains { $0.kind == DataKind.quote.rawValue })
        for gap in gaps {
            #expect(gap.reason == GapReason.dropped.rawValue && gap.header.symbol == 0)
            #expect(gap.from < gap.to)
            // Quotes have the time of their arrival, so none is inside. Some may share the first.
            guard gap.kind == DataKind.quote.rawValue else { continue }
            #expect(
                !records.contains {
                    $0.kind == .quote && gap.from < $0.eventTime && $0.eventTime < gap.to
                })
        }
        #expect(stage.provider.stop(within: .seconds(10)))
    }

    @Test("what the provider has to say at its end waits for a full channel of delayed data")
    func rest() throws {
        let stage = try Stage(recordsMax: 20)
        #expect(eventually(within: 30) { stage.outlet.isNeeded })
        try stage.openDelayed()
        #expect(eventually(within: 30) { stage.takeLive() >= 0 && stage.leftOut > 0 })
        // No thread takes delayed records meanwhile.
        #expect(!stage.provider.stop(within: .milliseconds(300)))
        #expect(!stage.outlet.stop(within: .milliseconds(10)))
        var records: [TapeRecord] = []
        #expect(
            eventually(within: 30) {
                records += stage.takeDelayed()
                return stage.outlet.stop(within: .milliseconds(10))
            })
        records += stage.takeDelayed()
        #expect(stage.provider.stop(within: .seconds(10)))
        // A gap without an end for each kind, then the end of the subscription.
        let ends = records.compactMap { record -> UInt8? in
            guard case .subscription(let end) = record,
                end.action == SubscriptionAction.stop.rawValue
            else { return nil }
            return end.kind
        }
        let open = records.compactMap { record -> UInt8? in
            guard case .gap(let gap) = record, !gap.to.isDefined else { return nil }
            return gap.kind
        }
        #expect(Set(ends).isSuperset(of: [DataKind.quote.rawValue, DataKind.trade.rawValue]))
        #expect(Set(open) == Set(ends))
    }

    @Test("without a name for their source no delayed data are taken, and that is said")
    func unnamed() throws {
        let stage = try Stage(source: "new-york-desk-two", recordsMax: 20)
        #expect(eventually(within: 30) { stage.takeLive() > 5 })
        #expect(!stage.outlet.isNeeded)
        #expect(stage.service.log.text.contains("no delayed data are taken"))
        #expect(stage.provider.stop(within: .seconds(10)))
    }
}
