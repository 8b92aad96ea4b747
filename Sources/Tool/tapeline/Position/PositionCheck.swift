import MarketModel
import NatsTransport
import Primitives
import TapeCodec
import TapeProtocol
import TapeTransport

/// Compares positions with the streams, as their leaders report them.
struct PositionCheck {
    let client: TapeClient
    let streams: [String: StreamInfo]

    init(_ client: TapeClient, _ streams: [String]) throws {
        self.client = client
        var found: [String: StreamInfo] = [:]
        for stream in streams { found[stream] = try client.jetStream.streamInfo(stream) }
        self.streams = found
    }

    private var names: TapeNames { client.names }

    func info(_ position: GroupPosition) throws -> StreamInfo {
        let stream = position.input.stream(names, position.partition)
        guard let info = streams[stream] else { throw ToolError.refused("\(stream) is gone") }
        return info
    }

    func state(_ position: GroupPosition) throws -> PositionState {
        let info = try info(position)
        let bounds = ReaderLane.StreamBounds(
            created: info.created, firstSequence: info.firstSequence,
            lastSequence: info.lastSequence,
            isReplicated: info.configuration.replicas > 1)
        do {
            return try PositionState.of(position, in: bounds) {
                try identity(info.configuration.name, position.packet?.sequence ?? 0)
            }
        } catch let error as PacketError {
            return .unreadable("\(error)")
        }
    }

    /// Returns the identity of the packet there, from the stream's leader. `nil` if there is none.
    private func identity(_ stream: String, _ sequence: UInt64) throws -> PacketIdentity? {
        let message = try client.jetStream.message(stream: stream, sequence: sequence)
        return try message?.payload.withRawSpan { span throws(PacketError) in
            try PacketReader.header(of: span).identity
        }
    }

    // MARK: accepting

    func acceptance(_ position: GroupPosition) throws -> Acceptance {
        let info = try info(position)
        let stream = info.configuration.name
        let subjects = try subjects(position, stream)
        // The search asks for the same packets repeatedly.
        var seen: [String: Acceptance.Packet?] = [:]
        return try Acceptance(
            position, isStanding: state(position) == .holds, tapeSources: subjects.keys.sorted(),
            streamCreated: info.created, lastSequence: info.lastSequence
        ) { source, sequence in
            guard let subject = subjects[source] else { return nil }
            let key = "\(sequence) \(subject)"
            if let known = seen[key] { return known }
            let found = try packet(stream, subject, sequence)
            seen[key] = .some(found)
            return found
        }
    }

    private func subjects(
        _ position: GroupPosition, _ stream: String
    ) throws -> [SourceName: String] {
        // Each source of bars has one subject per partition.
        guard position.input == .ticks else {
            let isHome = position.partition == TapeNames.universeHome
            let sources: [SourceName] = isHome ? [.operator, .universe] : [.operator]
            return Dictionary(
                uniqueKeysWithValues: sources.map {
                    ($0, names.derived(position.partition, $0))
                })
        }
        let found = try client.jetStream.subjects(
            stream: stream, matching: names.ticks(position.partition))
        var subjects: [SourceName: String] = [:]
        for subject in found.keys {
            guard
                let source = subject.split(separator: ".").last.flatMap({ SourceName(String($0)) })
            else { throw ToolError.unreadable("\(subject) in \(stream) is no subject of ours") }
            subjects[source] = subject
        }
        return subjects
    }

    private func packet(
        _ stream: String, _ subject: String, _ sequence: UInt64
    ) throws -> Acceptance.Packet? {
        guard
            let message = try client.jetStream.firstMessage(
                stream: stream, from: sequence, subject: subject)
        else { return nil }
        do throws(PacketError) {
            let header = try message.payload.withRawSpan { span throws(PacketError) in
                try PacketReader.header(of: span)
            }
            return Acceptance.Packet(
                sequence: message.sequence, source: header.source, identity: header.identity,
                nextOrdinal: header.nextOrdinal)
        } catch {
            throw ToolError.unreadable(
                "the packet at \(message.sequence) of \(stream) cannot be read (\(error)): it has "
                    + "to be deleted from the stream before a position can be accepted")
        }
    }
}
