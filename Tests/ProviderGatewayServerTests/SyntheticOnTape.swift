import MarketModel
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import ProviderGateway

// The synthetic market, whose source is `synthetic`, and what of it is on a tape.
extension TestTape {
    static let synthetic = SourceName("synthetic")

    /// A tape in a namespace of the shared server.
    static func shared(_ namespace: String) throws -> TestTape {
        try TestTape(NatsServer.shared(), namespace: namespace)
    }

    /// The number of the market's ticks and records, by the last packets.
    func ticks() throws -> UInt64 { try tickCount(source: try #require(Self.synthetic)) }

    func expectTicks(
        _ count: UInt64, at place: SourceLocation = #_sourceLocation
    ) throws {
        #expect(try eventually { try ticks() == count }, sourceLocation: place)
    }

    /// Waits until so many have come besides those that are there.
    func expectMore(_ count: UInt64, at place: SourceLocation = #_sourceLocation) throws {
        let standing = try ticks()
        #expect(try eventually { try ticks() >= standing + count }, sourceLocation: place)
    }

    /// Expects that ordinals, order and watermarks are right.
    @discardableResult
    func expectSound(at place: SourceLocation = #_sourceLocation) throws -> SourceOnTape {
        let found = try SourceOnTape(self)
        #expect(found.problems.isEmpty, "\(found.problems.prefix(5))", sourceLocation: place)
        return found
    }

    /// The same, and that all ticks of the market up to the last one are there, each once.
    @discardableResult
    func expectAll(
        _ count: Int? = nil, at place: SourceLocation = #_sourceLocation
    ) throws -> SourceOnTape {
        let found = try expectSound(at: place)
        let all = Array(0..<UInt64(count ?? found.count))
        #expect(found.all == all, sourceLocation: place)
        return found
    }

    /// Expects that each tick is there once or in a gap, and what else a report has to say.
    func expectRight(
        _ settings: GatewaySettings, at place: SourceLocation = #_sourceLocation,
        _ isAsWell: (MarketAudit.Report) -> Bool = { _ in true }
    ) throws {
        let report = try TapeAudit.report(self, settings)
        #expect(report.isRight && isAsWell(report), "\(report)", sourceLocation: place)
    }
}

extension TestGateway {
    /// Returns the gateway as it runs, as the owner of its source in this epoch, when it has begun.
    func start(epoch: UInt64) throws -> RunningService {
        group.take(epoch: epoch)
        let running = try standBy()
        running.expect("gateway.started")
        return running
    }
}

extension RunningService {
    /// Waits until the log has so many lines of an event.
    func expect(
        _ event: String, _ count: Int = 1, at place: SourceLocation = #_sourceLocation
    ) {
        #expect(eventually { log.count(of: event) == count }, sourceLocation: place)
    }

    /// Returns a metric of the source `synthetic`; 0 where it has no value.
    func synthetic(_ metric: String, _ labels: String = "") -> Double {
        service.metric("\(metric){\(labels)source=\"synthetic\"}") ?? 0
    }
}

extension [String: String] {
    /// The settings of a market of so many ticks that come as fast as they are taken.
    static func fullPace(_ ticks: Int, _ more: [String: String] = [:]) -> [String: String] {
        [
            "SYNTHETIC_PACE": "full", "SYNTHETIC_TICKS": String(ticks), "SYNTHETIC_RATE": "1000",
            "GATEWAY_PACKETS_PER_SECOND": "100000",
        ].merging(more) { $1 }
    }
}
