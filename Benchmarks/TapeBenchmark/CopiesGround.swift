import MarketModel
import NatsTransport
import TapeProtocol
import TapeTransport
import TestSupport

/// The two tapes that are compared, both with empty streams: one server, and a cluster of three
/// servers with three copies of each stream, without relays between them. All four servers run to
/// the end, so both tapes have the same company.
final class CopiesGround {
    static let copies = [1, 3]
    private static let streamBytesMax: Int64 = 4 << 30

    private let alone: NatsServer
    private let cluster: NatsCluster
    let names: TapeNames

    init(syncInterval: String) throws {
        guard let names = TapeNames(namespace: "md", partitions: Stage.partitions) else {
            throw Stage.Unusable("no names")
        }
        self.names = names
        var options = NatsServer.Options()
        options.syncInterval = syncInterval
        alone = try NatsServer(options)
        cluster = try NatsCluster(options, canBeCut: false)
        for copies in Self.copies {
            let client = try client(copies: copies)
            defer { client.close() }
            try client.ensureTickStreams(bytesMax: Self.streamBytesMax)
        }
        try spreadLeaders()
    }

    /// Both programs connect to this server.
    func url(copies: Int) -> String { copies == 1 ? alone.url : cluster.nodes[0].url }

    func client(copies: Int) throws -> TapeClient {
        try Stage.client(url(copies: copies), names, copies: copies)
    }

    /// Empties the streams, and waits until no copy lacks anything: else the next turn would share
    /// the disk with the last one.
    func clear(copies: Int) throws {
        let client = try client(copies: copies)
        defer { client.close() }
        for name in streams {
            guard let info = try client.jetStream.streamInfo(name) else { continue }
            _ = try client.jetStream.purge(stream: name, below: info.lastSequence + 1)
        }
        let whole = try self.client(copies: 3)
        defer { whole.close() }
        guard eventually({ streams.allSatisfy { leader($0, whole) != nil } }) else {
            throw Stage.Unusable("the copies do not become whole")
        }
    }

    private var streams: [String] { (0..<TapeNames.tickStreams).map(names.tickStream) }

    /// Returns who leads the stream, when its copies have everything; else `nil`, also while a
    /// leader is being elected.
    private func leader(_ stream: String, _ client: TapeClient) -> String? {
        do throws(JetStreamError) {
            let copies = try client.jetStream.streamInfo(stream)?.copies
            let followers = copies?.followers ?? []
            let isWhole =
                followers.count == NatsCluster.size - 1
                && followers.allSatisfy { $0.isCurrent && $0.lag == 0 }
            return isWhole ? copies?.leader : nil
        } catch {
            return nil
        }
    }

    /// Lets the servers lead the streams in turn, as the keeper of a tape does.
    private func spreadLeaders() throws {
        let client = try client(copies: 3)
        defer { client.close() }
        for (index, stream) in streams.enumerated() {
            let server = NatsCluster.name(index % NatsCluster.size)
            let hasMoved = try eventually {
                guard let leader = leader(stream, client) else { return false }
                if leader != server {
                    try client.jetStream.moveLeader(ofStream: stream, to: server)
                }
                return leader == server
            }
            guard hasMoved else { throw Stage.Unusable("\(stream) is not led by \(server)") }
        }
    }
}
