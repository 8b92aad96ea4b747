import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import ServiceTestSupport
import Synchronization
import TestSupport
import Testing

@testable import ProviderGateway

@Suite("A provider that cannot be started at first")
struct RetriedProviderTests {
    private let log = ScriptedProvider.Log()
    private let channel = ProviderChannel()
    private let since = Timestamp(nanoseconds: 1_767_605_400_000_000_000)

    init() { log.isRefusing.withLock { $0 = true } }

    private func provider() throws -> RetriedProvider {
        let service = try TestService(Main.description, [:])
        return RetriedProvider(
            ScriptedProvider.kind("one", log),
            ProviderKind.Context(
                configuration: service.context.configuration,
                telemetry: service.context.telemetry, threads: service.context.threads),
            RetriedProvider.Waits(first: .milliseconds(20), longest: .milliseconds(20)))
    }

    /// Returns an order of three instruments. The second has a gap that lasts, and the third was
    /// not requested before.
    private func order() throws -> ProviderOrder {
        let instruments = try ["A", "B", "C"].map { try Instrument.named($0, [.level1, .trades]) }
        let gap = OpenGap(
            instrument: 1, kind: .trade, from: Timestamp(nanoseconds: 1), to: .undefined,
            reason: .disconnected)
        return ProviderOrder(
            source: try #require(SourceName("feed")), registry: InstrumentRegistry(instruments),
            instruments: [0, 1, 2], reached: [since, since, .undefined], gaps: [gap])
    }

    private func missing(_ number: UInt32, _ kinds: [DataKind]) -> [OpenGap] {
        kinds.map {
            OpenGap(instrument: number, kind: $0, from: since, to: .undefined, reason: .gatewayLost)
        }
    }

    private func gaps(_ records: [ProviderRecord]) -> [OpenGap] {
        records.compactMap { record in
            guard case .tape(.gap(let gap)) = record, let kind = DataKind(rawValue: gap.kind),
                let reason = GapReason(rawValue: gap.reason)
            else { return nil }
            return OpenGap(
                instrument: gap.header.symbol, kind: kind, from: gap.from, to: gap.to,
                reason: reason)
        }
    }

    private func refused(_ records: [ProviderRecord]) -> [UInt32] {
        records.compactMap { record in
            guard case .feed(let feed) = record, feed.state == .refused else { return nil }
            return feed.instrument
        }
    }

    @Test("what is missing from before is told once, and it goes on with it when it is there")
    func late() throws {
        let provider = try provider()
        try provider.start(try order(), into: channel)
        var said: [ProviderRecord] = []
        _ = channel.receive(into: &said)
        let all: [DataKind] = [.trade, .quote, .indicator]
        #expect(gaps(said) == missing(0, all) + missing(1, [.quote, .indicator]))
        #expect(refused(said) == [0, 1, 2])

        provider.follow(begun: [2], ended: [1])
        said = []
        #expect(
            eventually {
                var some: [ProviderRecord] = []
                let floor = channel.receive(into: &some)
                said += some
                return !said.isEmpty && floor.isDefined && floor < SystemClock().now()
            })
        #expect(refused(said) == [2] && said.count == 1)
        log.isRefusing.withLock { $0 = false }
        #expect(eventually { log.starts.count == 1 })
        let started = try #require(log.starts.first).order
        #expect(started.instruments == [0, 2] && started.gaps == missing(0, all))
        #expect(started.reached.allSatisfy { !$0.isDefined })
        provider.follow(begun: [1], ended: [])
        #expect(eventually { log.follows == [.init(begun: [1], ended: [])] })
        #expect(provider.stop(within: .seconds(10)) && log.stops == 1)
    }

    @Test("it is stopped while it waits for its next attempt")
    func stopped() throws {
        let provider = try provider()
        try provider.start(try order(), into: channel)
        #expect(provider.stop(within: .seconds(10)))
        #expect(log.starts.isEmpty && log.stops == 0)
    }
}
