internal import Primitives

/// The copies of a stream of a cluster, as the stream's leader sees them.
package struct StreamCopies: Equatable, Sendable {
    /// A copy on another server than the leader's.
    package struct Follower: Equatable, Sendable {
        package let server: String
        /// Whether it has all that was acknowledged, or nearly so.
        package let isCurrent: Bool
        /// Whether its server was found to be away.
        package let isOffline: Bool
        /// How many writes it has not got yet.
        package let lag: UInt64
        /// How long ago the leader heard of it, in nanoseconds.
        package let silentNanoseconds: Int64
    }

    /// The name of the server that leads; `nil`: none does.
    package let leader: String?
    package let followers: [Follower]

    /// The servers with a copy, in the order of their names.
    package var servers: [String] {
        (followers.map(\.server) + [leader].compactMap { $0 }).sorted()
    }

    init?(_ cluster: JSONValue?) {
        // A server that is alone only names itself as the leader.
        guard let cluster, cluster["name"]?.string?.isEmpty == false else { return nil }
        leader = cluster["leader"]?.string
        followers = (cluster["replicas"]?.array ?? []).compactMap { replica in
            guard let server = replica["name"]?.string else { return nil }
            return Follower(
                server: server, isCurrent: replica["current"]?.bool ?? false,
                isOffline: replica["offline"]?.bool ?? false, lag: replica["lag"]?.uint64 ?? 0,
                silentNanoseconds: Int64(replica["active"]?.int ?? 0))
        }
    }

    /// Returns whether a copy answered a question about a stream because the stream has no leader.
    static func isLeaderless(_ answer: JSONValue) -> Bool {
        guard answer["type"]?.string == "io.nats.jetstream.api.v1.stream_info_response",
            let copies = StreamCopies(answer["cluster"])
        else { return false }
        return copies.leader == nil && !copies.followers.isEmpty
    }
}

extension JetStream {
    /// Gives a stream more copies. One with as many stays as it is: no copy is ever taken away.
    /// Writes go on meanwhile, but for the moment in which the first leader is elected.
    package func replicateStream(_ stream: StreamInfo, to copies: Int) throws(JetStreamError)
        -> StreamInfo
    {
        let (name, present) = (stream.configuration.name, stream.configuration.replicas)
        guard present < copies else { return stream }
        let operation = "copy stream \(name)"
        // A server without a cluster accepts any number, and then reports it.
        guard stream.copies != nil else {
            throw .fewServers(operation: operation, copies: copies)
        }
        do throws(JetStreamError) {
            return try change("num_replicas", to: .number(String(copies)), of: name, operation)
        } catch {
            guard error.lacksServers else { throw error }
            throw .fewServers(operation: operation, copies: copies)
        }
    }

    /// Asks the stream's leader to hand over to that server. For some milliseconds, at most a
    /// second, the stream has no leader.
    package func moveLeader(ofStream stream: String, to server: String) throws(JetStreamError) {
        let operation = "move the leader of stream \(stream) to \(server)"
        try requireToken(stream, operation)
        var body = JSONWriter()
        body.object { json in
            json.key("placement")
            json.object { $0.member("preferred", server) }
        }
        _ = try call("STREAM.LEADER.STEPDOWN.\(stream)", body.bytes, operation, absentCode: 0)
    }
}
