package import Membership
internal import NatsTransport
package import Primitives
internal import ServiceRuntime
internal import TapeProtocol
package import TapeTransport

/// The requests to drain members, for tools: values of the bucket of owners, which the members read
/// anyway. Each is one write that expects what stands there, so no request is half done.
package struct DrainBook: Sendable {
    /// What the bucket holds under a member's name.
    package struct Entry: Equatable, Sendable {
        package enum Content: Equatable, Sendable {
            case asked(DrainRequest)
            case refused(VersionedJSON.Refusal)
            /// The request was taken back. The marker stays until it is tidied away.
            case released
        }

        package let member: MemberName
        package let content: Content
        /// When it was written, by NATS.
        package let written: Timestamp
        package let revision: UInt64

        package init(
            member: MemberName, content: Content, written: Timestamp, revision: UInt64
        ) {
            self.member = member
            self.content = content
            self.written = written
            self.revision = revision
        }

        /// `nil` unless somebody has asked in words that this program can read.
        package var request: DrainRequest? {
            if case .asked(let request) = content { return request }
            return nil
        }

        /// Whether it can go: a marker, because a missing key says the same, or an old request
        /// about a member that is not there.
        package func isObsolete(at now: Timestamp, isHeard: Bool) -> Bool {
            switch content {
            case .released: true
            case .asked, .refused:
                !isHeard
                    && now.nanoseconds(since: written) > DrainRequest.absentNanosecondsMax
            }
        }
    }

    private let bucket: KeyValueBucket

    /// Opens the bucket; `nil` when there is none yet, so that no member was ever there.
    package init?(_ client: TapeClient) throws(TapeError) {
        let found = try TapeError.ofJetStream { () throws(JetStreamError) in
            try client.jetStream.bucketAsFound(client.names.ownersBucket)
        }
        guard let found else { return nil }
        bucket = found
    }

    /// Asks that the member is drained, unless somebody has asked before.
    package func ask(
        _ request: DrainRequest, about member: MemberName
    ) throws(TapeError) -> WriteOutcome {
        try TapeError.ofJetStream { () throws(JetStreamError) in
            outcome(try bucket.create(DrainKey(member).text, request.json))
        }
    }

    /// Takes the request back, if it is still this one.
    package func release(_ entry: Entry) throws(TapeError) -> WriteOutcome {
        try TapeError.ofJetStream { () throws(JetStreamError) in
            outcome(try bucket.delete(DrainKey(entry.member).text, expected: entry.revision))
        }
    }

    /// Removes what is obsolete. What was written since stays.
    package func remove(_ obsolete: [Entry]) throws(TapeError) {
        let stream = bucket.configuration.stream
        for entry in obsolete {
            let key = DrainKey(entry.member).text
            // Single messages of a bucket cannot be deleted. A purge leaves later writes.
            _ = try TapeError.ofJetStream { () throws(JetStreamError) in
                try bucket.jetStream.purge(
                    stream: stream.name, subject: "$KV.\(bucket.configuration.bucket).\(key)",
                    below: entry.revision &+ 1)
            }
        }
    }

    private func outcome(_ outcome: KeyValueOutcome) -> WriteOutcome {
        switch outcome {
        case .stored(let revision): .stored(revision: revision)
        case .conflict: .conflict
        case .unknown(let reason): .unsettled(reason)
        }
    }

    // MARK: reading

    /// Returns what a change of the bucket says; `nil` when it is about something else.
    static func entry(_ change: KeyValueChange) -> Entry? {
        guard let member = DrainKey(text: change.key)?.member else { return nil }
        return Entry(
            member: member, content: content(change.value), written: change.time,
            revision: change.revision)
    }

    private static func content(_ value: [UInt8]?) -> Entry.Content {
        guard let value else { return .released }
        do throws(VersionedJSON.Refusal) {
            return .asked(try DrainRequest(json: value))
        } catch {
            return .refused(error)
        }
    }

    /// Returns what the value under a member's name asks of it in this group.
    static func news(_ value: [UInt8]?, _ group: GroupName) -> DrainNews {
        switch content(value) {
        case .released: .absent
        case .refused(let refusal): .refused(refusal)
        case .asked(let request):
            request.groups.contains(group) ? .asked(request.cause) : .absent
        }
    }
}

/// A key: `drain.member.<member>`. It has three tokens, so that no program takes it for the key of
/// a partition.
struct DrainKey {
    private static let prefix = "drain.member."

    let member: MemberName

    init(_ member: MemberName) { self.member = member }

    init?(text: String) {
        guard text.hasPrefix(Self.prefix),
            let member = MemberName(String(text.dropFirst(Self.prefix.count)))
        else { return nil }
        self.member = member
    }

    var text: String { Self.prefix + member.text }
}
