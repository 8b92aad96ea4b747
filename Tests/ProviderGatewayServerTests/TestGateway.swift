import MarketModel
import Membership
import MembershipTransport
import Primitives
import ProviderKit
import ServiceRuntime
import ServiceTestSupport
import Synchronization
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import ProviderGateway

/// The group of a source, controlled by a test: it gives the source to a gateway and takes it back.
final class TestGroup: Sendable {
    private struct State {
        var tenure: UInt64 = 0
        var held: UInt64?
        var news: [OwnershipAnswer] = []
    }

    let membership: SourceMembership
    private let state: Shared

    private final class Shared: Sendable {
        let value = Mutex(State())
    }

    init() {
        let state = Shared()
        self.state = state
        var membership = SourceMembership()
        let port = membership.port
        port.steady(until: .never)
        membership.leave = {
            if let tenure = state.value.withLock({ $0.held }) {
                _ = port.send(.release(SourceMembership.partition, tenure: tenure))
            }
        }
        membership.hasLeft = {
            Self.hear(port, state)
            return state.value.withLock { $0.held == nil }
        }
        self.membership = membership
    }

    private static func hear(_ port: OwnershipPort, _ state: Shared) {
        state.value.withLock { state in
            let known = state.news.count
            port.takeAnswers(into: &state.news)
            for word in state.news[known...] where word.tenure == state.held {
                switch word {
                case .opened: continue
                case .released, .lost: state.held = nil
                }
            }
        }
    }

    /// All reports of the gateway to the group.
    var news: [OwnershipAnswer] {
        Self.hear(membership.port, state)
        return state.value.withLock { $0.news }
    }

    var tenure: UInt64 { state.value.withLock { $0.tenure } }

    /// Gives the source to the gateway.
    func take(epoch: UInt64 = 1, previous: MemberName? = nil, wasReleased: Bool = false) {
        let tenure = state.value.withLock { state in
            state.tenure += 1
            state.held = state.tenure
            return state.tenure
        }
        _ = membership.port.send(
            .take(
                SourceMembership.partition,
                Claim(
                    tenure: tenure, epoch: epoch, previous: previous, wasReleased: wasReleased)))
    }

    /// Asks the gateway to hand the source over.
    func release() {
        _ = membership.port.send(.release(SourceMembership.partition, tenure: tenure))
    }

    /// Takes the source away without an answer, as after a loss.
    func drop() {
        state.value.withLock { $0.held = nil }
        _ = membership.port.send(.drop(SourceMembership.partition, tenure: tenure))
    }

    /// The gateway is no longer steady, so it may not act as the owner; it is steady again.
    func pause() { membership.port.steady(until: .distantPast) }
    func resume() { membership.port.steady(until: .never) }
}

/// A gateway in this process, on a separate connection.
struct TestGateway {
    let tape: TestTape
    let service: TestService
    var settings: GatewaySettings
    let report: GatewayReport
    let group = TestGroup()
    /// Whether the tape reports that it is nearly full.
    let isLow = Flag()
    /// Called on the gateway's thread when it asks for the room, ten times a second in a tenure.
    var onHeadroom: @Sendable () -> Void = {}

    final class Flag: Sendable {
        private let value = Atomic(false)
        var isSet: Bool { value.load(ordering: .relaxed) }
        func set(_ isSet: Bool) { value.store(isSet, ordering: .relaxed) }
    }

    init(
        _ tape: TestTape, _ environment: [String: String], providers: [ProviderKind] = [],
        instruments: [Instrument]? = nil
    ) throws {
        self.tape = tape
        // This file is only read on a reload: `instruments` has the list of the start.
        let list =
            "\(ServerPrograms.checkout)/services/provider-gateway/instruments/benchmarks.yaml"
        let kinds = [ProviderKind.synthetic] + providers
        service = try TestService(
            Main.description(of: kinds),
            tape.environment.merging(["GATEWAY_INSTRUMENTS": list]) { $1 }.merging(environment) {
                $1
            })
        settings = try GatewaySettings(
            service.context.configuration, providers: kinds, instruments: instruments)
        report = GatewayReport(settings)
    }

    /// Runs the gateway on a client that the test may close, which to the gateway is a kill.
    func standBy(_ client: TapeClient) throws -> RunningService {
        let (settings, report, membership, isLow) = (settings, report, group.membership, isLow)
        let onHeadroom = onHeadroom
        return try service.start { context in
            defer { client.close() }
            return try Gateway.run(
                settings, client: client, context: context, report: report, membership: membership
            ) {
                onHeadroom()
                return isLow.isSet ? .low : .ample
            }
        }
    }

    func standBy() throws -> RunningService { try standBy(try tape.connect(service)) }

    /// Runs the gateway as the owner of the source from the start.
    func start(_ client: TapeClient) throws -> RunningService {
        group.take()
        return try standBy(client)
    }

    func start() throws -> RunningService { try start(try tape.connect(service)) }

    var status: JSONValue {
        get throws {
            var json = JSONWriter(capacity: 64)
            json.object { report.write(into: &$0) }
            return try JSONValue.parse(json.text)
        }
    }
}

extension OwnershipAnswer {
    /// The source was given back at the end of this tenure.
    static func released(_ tenure: UInt64) -> OwnershipAnswer {
        .released(SourceMembership.partition, tenure: tenure)
    }
}

extension GatewaySettings {
    /// The synthetic provider's market.
    var market: SyntheticMarket.Settings { get throws { try #require(synthetic).market } }
}

/// The tape of one source: per partition the ticks' numbers, in order.
struct SourceOnTape {
    let source: SourceName
    var indexes: [Partition: [UInt64]] = [:]
    var epochs: [Partition: [UInt64]] = [:]
    /// Sentences about wrong ordinals, order and watermarks.
    var problems: [String] = []

    init(_ tape: TestTape, source: String = "synthetic") throws {
        self.source = try #require(SourceName(source))
        for number in 0..<tape.names.partitions {
            try read(tape, Partition(number))
        }
    }

    private mutating func read(_ tape: TestTape, _ partition: Partition) throws {
        var next: UInt64 = 1
        var watermark = Int64.min
        for packet in try tape.tickPackets(partition)
        where packet.subject == tape.names.ticks(partition, source) {
            if packet.header.firstOrdinal != next {
                problems.append("\(partition): \(packet.header.firstOrdinal), not \(next)")
            }
            next = packet.header.nextOrdinal
            if epochs[partition]?.last != packet.header.epoch {
                epochs[partition, default: []].append(packet.header.epoch)
            }
            for record in packet.records where record.trade != nil || record.quote != nil {
                guard let header = record.record.header else { continue }
                add(header, partition, watermark)
            }
            watermark = max(watermark, packet.header.watermark.nanoseconds)
        }
    }

    private mutating func add(_ header: TickHeader, _ partition: Partition, _ watermark: Int64) {
        indexes[partition, default: []].append(header.providerID & SyntheticMarket.indexMax)
        if header.eventTime.nanoseconds < watermark {
            problems.append("\(partition): a tick behind the watermark")
        }
    }

    var count: Int { indexes.values.reduce(0) { $0 + $1.count } }
    var all: [UInt64] { indexes.values.flatMap { $0 }.sorted() }
}
