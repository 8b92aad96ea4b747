import DeploymentWatch
import MarketModel
import Membership
import NatsTransport
import TapeKeeping
import TapeProtocol
import TapeTransport

/// What the streams themselves say: their room, and which sources they have.
struct TapeFacts: Sendable {
    /// The most sources that are looked at.
    static let sourcesMax = 64

    var streams: [Sighting.Stream] = []
    /// The sources that are not retired. Each has a gateway, or lacks one.
    var sources: [SourceName] = []
    var retired: Set<SourceName> = []
    /// The groups without which nothing comes out.
    var needed: [GroupName] = []
    /// Sources beyond the most that are looked at. Whether they are retired is not known.
    var unseen: Set<SourceName> = []

    /// Asks the streams' leaders. Blocks.
    init(_ client: TapeClient, _ jetStream: JetStream) throws {
        let names = client.names
        let ticks = (0..<TapeNames.tickStreams).map { names.tickStream($0) }
        for name in ticks + [names.barStream] {
            guard let info = try jetStream.streamInfo(name) else {
                throw TapeError.missingStream(name)
            }
            let limit = info.configuration.maxBytes
            streams.append(
                Sighting.Stream(
                    name: name, bytes: info.bytes, limit: limit < 0 ? nil : UInt64(limit)))
        }
        do {
            needed = try GroupRegistry.registrations(client).essential
        } catch {
            // The server's users may be of before. What the tape says counts all the same.
            needed = [.operators, .store]
        }
        var found: Set<SourceName> = []
        for stream in 0..<TapeNames.tickStreams {
            let subjects = try jetStream.subjects(
                stream: names.tickStream(stream), matching: names.watermarks(stream: stream))
            found.formUnion(
                subjects.keys.compactMap { subject in
                    subject.split(separator: ".").last.flatMap { SourceName(String($0)) }
                })
        }
        let all = found.filter { $0 != .manual }.sorted()
        unseen = Set(all.dropFirst(Self.sourcesMax))
        for source in all.prefix(Self.sourcesMax) {
            if try SourceStanding(client, of: source).isRetired {
                retired.insert(source)
            } else {
                sources.append(source)
            }
        }
    }
}
