package import Primitives

/// A person's request that one process hands over all that it owns, stays alive, and takes nothing
/// until the request is taken back. It is a value of the bucket of owners under the member's name,
/// so a process that is started again under that name stays out, too. Pure.
package struct DrainRequest: Equatable, Sendable {
    package static let version = 1
    /// The largest request.
    package static let bytesMax = 1_024
    /// The most groups of one process.
    package static let groupsMax = 8
    /// The most requests of a namespace at the same time.
    package static let countMax = 128
    /// A request is forgotten when it is older than this and no process has the member's name.
    package static let absentNanosecondsMax: Int64 = 7 * 86_400_000_000_000

    /// The groups for which it holds.
    package var groups: [GroupName]
    package var cause: DrainCause

    package init(groups: [GroupName], cause: DrainCause) {
        self.groups = groups
        self.cause = cause
    }

    package var json: [UInt8] {
        JSONWriter.made(capacity: 256, version: Self.version) { json in
            json.member("groups", values: groups.map(\.text))
            cause.write(into: &json)
        }.bytes
    }

    package init(json bytes: [UInt8]) throws(VersionedJSON.Refusal) {
        let json = try VersionedJSON.read(bytes, upTo: Self.version)
        guard let names = json["groups"]?.array, (1...Self.groupsMax).contains(names.count),
            let cause = DrainCause(json)
        else { throw .damaged("it is no request to drain a member") }
        let groups = names.compactMap { $0.string.flatMap { GroupName($0) } }
        guard groups.count == names.count else {
            throw .damaged("it is no request to drain a member")
        }
        self.init(groups: groups, cause: cause)
    }
}

/// Who asked that a member is drained, when and why.
package struct DrainCause: Equatable, Sendable {
    package static let reasonBytesMax = 200
    package static let requesterBytesMax = 100

    /// Empty when none was given.
    package var reason: String
    package var requester: String
    /// Wall clock.
    package var asked: Timestamp
    /// The member hands over even where no other member may take the partition.
    package var isForced: Bool

    package init(reason: String, requester: String, asked: Timestamp, isForced: Bool = false) {
        self.reason = reason
        self.requester = requester
        self.asked = asked
        self.isForced = isForced
    }

    /// One line for people.
    package var text: String {
        "by \(requester) at \(asked)" + (reason.isEmpty ? "" : ": \(reason)")
    }

    func write(into json: inout JSONWriter) {
        if !reason.isEmpty { json.member("reason", reason) }
        json.member("by", requester)
        json.member("asked_ns", asked.nanoseconds)
        if isForced { json.member("forced", true) }
    }

    init?(_ json: JSONValue) {
        let reason = json["reason"]?.string ?? ""
        guard let requester = json["by"]?.string, let asked = json["asked_ns"]?.int,
            reason.utf8.count <= Self.reasonBytesMax,
            requester.utf8.count <= Self.requesterBytesMax
        else { return nil }
        self.init(
            reason: reason, requester: requester, asked: Timestamp(nanoseconds: Int64(asked)),
            isForced: json["forced"]?.bool ?? false)
    }
}

/// What a read of the bucket says about the own member's request.
package enum DrainNews: Equatable, Sendable {
    /// Nothing was written since the read before.
    case unchanged
    /// There is none for this group.
    case absent
    case asked(DrainCause)
    /// There is one that cannot be read. It asks for nothing.
    case refused(VersionedJSON.Refusal)
}
