import DeploymentWatch
import MarketModel
import Membership
import MembershipTransport
import NatsTransport
import Primitives
import TapeCodec
import TapeProtocol
import TapeTransport

/// What the tape and the group of a source say of it.
struct SurveyedSource: Equatable, Sendable {
    /// Why it counts or does not count for what is derived from several sources.
    enum State: String, Sendable {
        case alive, silent, retired
    }

    let name: SourceName
    /// The providers in the last packets of some of its partitions, sorted.
    let providers: [String]
    /// The partitions in which it has ticks.
    let partitions: [Partition]
    /// By stream, when its last watermark was sent; undefined where it has none.
    let lasts: [Timestamp]
    /// When it was retired; undefined while it is not, or is not in each stream.
    let retired: Timestamp
    /// Its gateways that were heard, with their states.
    let gateways: [String]

    /// What its ticks are, for a person. Operators need not know more than `SourceKind`: a past
    /// counts like a made-up market for them, and a simulated venue like the real one. `simulated`:
    /// the sources whose venue is simulated, which the tape does not know.
    func kind(simulated: Set<String>) -> String {
        let kind = SourceKind(of: name, providers: providers)
        if simulated.contains(name.text), kind != .madeUp { return "simulated" }
        let isMadeUp = providers.contains { SourceKind.isMadeUp(provider: $0) }
        return name.isHistory && !isMadeUp ? "loaded" : kind.rawValue
    }

    /// When its last watermark was sent; undefined when it has none.
    var last: Timestamp { lasts.filter(\.isDefined).max() ?? .undefined }

    func state(at now: Timestamp, silentAfter: Int64) -> State {
        if retired.isDefined { return .retired }
        guard last.isDefined else { return .silent }
        return now.nanoseconds(since: last) < silentAfter ? .alive : .silent
    }
}

/// Looks at all sources of a tape.
struct SourceSurvey {
    /// The most partitions of a source whose last packets are read for the names of its providers.
    private static let partitionsReadMax = 8

    /// In order of their names.
    private(set) var sources: [SurveyedSource] = []

    init(_ client: TapeClient, _ members: [GroupDirectory.Member]) throws {
        var partitions: [SourceName: [Partition]] = [:]
        for stream in 0..<TapeNames.tickStreams {
            let names = client.names
            let ticks = try client.jetStream.subjects(
                stream: names.tickStream(stream), matching: names.allTicks)
            for subject in ticks.keys {
                guard let (source, number) = Self.parts(subject) else { continue }
                partitions[source, default: []].append(Partition(number))
            }
            let watermarks = try client.jetStream.subjects(
                stream: names.tickStream(stream), matching: names.watermarks(stream: stream))
            for subject in watermarks.keys {
                guard let (source, _) = Self.parts(subject) else { continue }
                partitions[source, default: []] += []
            }
        }
        partitions[.manual] = nil
        for (name, partitions) in partitions.sorted(by: { $0.key < $1.key }) {
            sources.append(try Self.look(at: name, partitions.sorted(), client, members))
        }
    }

    /// Reads the source and the number in a subject such as `md.ticks.3.ibkr`.
    private static func parts(_ subject: String) -> (SourceName, Int)? {
        let tokens = subject.split(separator: ".")
        guard tokens.count == 4, let source = SourceName(String(tokens[3])),
            let number = Int(tokens[2]), (0..<Partition.countRange.upperBound).contains(number)
        else { return nil }
        return (source, number)
    }

    private static func look(
        at name: SourceName, _ partitions: [Partition], _ client: TapeClient,
        _ members: [GroupDirectory.Member]
    ) throws -> SurveyedSource {
        let standing = try SourceStanding(client, of: name)
        var providers: Set<String> = []
        for partition in partitions.prefix(partitionsReadMax) {
            let last = try client.lastContent(
                stream: client.names.tickStream(of: partition),
                subject: client.names.ticks(partition, name))
            if let last { providers.formUnion(last.withBytes { Self.providers(in: $0) }) }
        }
        return SurveyedSource(
            name: name, providers: providers.sorted(), partitions: partitions,
            lasts: standing.lasts.map { $0?.header.sendTime ?? .undefined },
            retired: standing.isRetired ? standing.retirement?.time ?? .undefined : .undefined,
            gateways: members.filter { $0.group == name.gatewayGroup }.map {
                "\($0.heartbeat.member) (\($0.heartbeat.state.rawValue))"
            })
    }

    private static func providers(in packet: borrowing RawSpan) -> Set<String> {
        var found: Set<String> = []
        var walk = PacketWalk()
        while let item = walk.next(in: packet) {
            guard case .control(let message) = item,
                let (_, definition) = message.symbolDefinition(in: packet)
            else { continue }
            if !definition.provider.isEmpty { found.insert(definition.provider) }
        }
        return found
    }
}
