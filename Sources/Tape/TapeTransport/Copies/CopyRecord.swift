package import NatsTransport
package import Primitives
internal import TapeProtocol

/// How far a server's copy of a stream was verified, as a value in the groups' bucket. A person's
/// tool writes it, and the keeper shows what is not verified yet as a metric.
package struct CopyRecord: Equatable, Sendable {
    static let version = 1

    /// The last sequence that was read and found good, with all before it.
    package var sequence: UInt64
    package var findings: Int
    package var ended: Timestamp

    package init(sequence: UInt64, findings: Int, ended: Timestamp) {
        self.sequence = sequence
        self.findings = findings
        self.ended = ended
    }

    /// The part of the keys before the stream.
    static let prefix = "verified"

    package static func key(stream: String, server: String) -> String {
        "\(prefix).\(stream).\(server)"
    }

    package var json: [UInt8] {
        JSONWriter.made(capacity: 96, version: Self.version) { json in
            json.member("sequence", sequence)
            json.member("findings", findings)
            json.member("ended_ns", ended.nanoseconds)
        }.bytes
    }

    /// Reads a value. A damaged one, or that of a newer release, is none: the copy then counts as
    /// not verified.
    package init?(json bytes: [UInt8]) {
        do throws(VersionedJSON.Refusal) {
            let json = try VersionedJSON.read(bytes, upTo: Self.version)
            guard let sequence = json["sequence"]?.uint64, let findings = json["findings"]?.int,
                let ended = json["ended_ns"]?.int
            else { return nil }
            self.init(
                sequence: sequence, findings: findings,
                ended: Timestamp(nanoseconds: Int64(ended)))
        } catch {
            return nil
        }
    }

    // MARK: stored

    /// Stores the record. Several tools at the same time overwrite each other's records of the same
    /// copy.
    package func store(
        in bucket: KeyValueBucket, stream: String, server: String
    ) throws(JetStreamError) {
        let key = Self.key(stream: stream, server: server)
        for _ in 0..<8 {
            let revision = try bucket.get(key)?.revision ?? 0
            if case .stored = try bucket.put(key, json, after: revision) { return }
        }
        throw .unavailable(
            operation: "note what was verified", peer: bucket.jetStream.connection.peer)
    }

    package static func read(
        _ bucket: KeyValueBucket, stream: String, server: String
    ) throws(JetStreamError) -> CopyRecord? {
        try bucket.get(key(stream: stream, server: server)).flatMap { CopyRecord(json: $0.value) }
    }
}
