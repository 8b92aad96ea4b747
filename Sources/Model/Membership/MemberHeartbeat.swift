package import MarketModel
package import Primitives

/// A member's report about itself, sent several times per lease.
package struct MemberHeartbeat: Equatable, Sendable {
    package static let version = 1
    package static let bytesMax = 32 * 1024
    /// The longest text of `release` and of `revision`.
    package static let releaseBytesMax = 64
    /// A longer lease is treated as this one. So a dead member keeps its partitions for at most
    /// this time.
    package static let leaseNanosecondsMax: Int64 = 60_000_000_000

    package var member: MemberName
    /// Chosen at random by each process. It distinguishes two processes with the same name.
    package var instance: UInt64
    package var state: MemberState
    /// Only ready members of the highest rank get partitions, as in `MemberPrecedence`.
    package var rank: UInt64
    /// Which rules the member's release makes output by; `nil` where that decides nothing.
    package var semantics: UInt64?
    /// Wall clock: when this instance started.
    package var since: Timestamp
    /// The number of this heartbeat, counted per instance.
    package var sequence: UInt64
    /// The last write to the bucket of owners that this member knows.
    package var records: UInt64
    /// The partitions that the member holds, in order.
    package var held: [Partition]
    /// The release of the service.
    package var release: String
    /// The commit of its build; empty when the build does not name one.
    package var revision: String
    /// The time for which the member acts as an owner without hearing its own heartbeats.
    package var leaseNanoseconds: Int64
    /// Who asked that the member is drained, and why; `nil` when nobody did.
    package var drain: DrainCause?

    package init(
        member: MemberName, instance: UInt64, state: MemberState, rank: UInt64, since: Timestamp,
        sequence: UInt64, records: UInt64, held: [Partition], release: String,
        revision: String = "", leaseNanoseconds: Int64
    ) {
        self.member = member
        self.instance = instance
        self.state = state
        self.rank = rank
        self.since = since
        self.sequence = sequence
        self.records = records
        self.held = held
        self.release = release
        self.revision = revision
        self.leaseNanoseconds = leaseNanoseconds
    }

    package var json: [UInt8] {
        JSONWriter.made(capacity: 256 + held.count * 4, version: Self.version) { json in
            json.member("instance", InstanceText.of(instance))
            json.member("state", state.rawValue)
            json.member("rank", rank)
            json.member("since_ns", since.nanoseconds)
            json.member("seq", sequence)
            json.member("records", records)
            json.member("held", values: held.map(\.number))
            json.member("version", release)
            if !revision.isEmpty { json.member("revision", revision) }
            json.member("lease_ns", leaseNanoseconds)
            if let semantics { json.member("semantics", semantics) }
            if let drain { json.object("drain") { drain.write(into: &$0) } }
        }.bytes
    }

    /// `member` comes from the subject.
    package init(json bytes: [UInt8], member: MemberName) throws(VersionedJSON.Refusal) {
        guard bytes.count <= Self.bytesMax else { throw Self.nonsense }
        let json = try VersionedJSON.read(bytes, upTo: Self.version)
        guard let instance = json["instance"]?.string.flatMap(InstanceText.number),
            let state = json["state"]?.string, let rank = json["rank"]?.uint64,
            let since = json["since_ns"]?.int, let sequence = json["seq"]?.uint64,
            let records = json["records"]?.uint64, let numbers = json["held"]?.array,
            let lease = json["lease_ns"]?.int, lease > 0
        else { throw Self.nonsense }
        var held: [Partition] = []
        for number in numbers {
            guard let number = number.int, number >= 0, number < Partition.countRange.upperBound
            else { throw Self.nonsense }
            held.append(Partition(number))
        }
        let release = json["version"]?.string ?? ""
        guard release.utf8.count <= Self.releaseBytesMax else { throw Self.nonsense }
        let revision = json["revision"]?.string ?? ""
        self.init(
            member: member, instance: instance, state: MemberState(rawValue: state) ?? .joining,
            rank: rank, since: Timestamp(nanoseconds: Int64(since)), sequence: sequence,
            records: records, held: held, release: release,
            // Whoever builds the program chooses it, and nothing depends on it.
            revision: revision.utf8.count <= Self.releaseBytesMax ? revision : "",
            leaseNanoseconds: min(Int64(lease), Self.leaseNanosecondsMax))
        semantics = json["semantics"]?.uint64
        // It is shown only, so a damaged one is left out.
        drain = json["drain"].flatMap { DrainCause($0) }
    }

    /// Whether the member may own what the other one owns: partitions never go to a lower rank, or
    /// to a release that cannot continue the output.
    package func mayTakeOver(from other: MemberHeartbeat) -> Bool {
        state == .ready && precedence >= other.precedence
    }

    var precedence: MemberPrecedence { MemberPrecedence(rank: rank, semantics: semantics) }

    private static let nonsense = VersionedJSON.Refusal.damaged("it is no heartbeat")
}

/// Instances as text: 16 hexadecimal digits.
package enum InstanceText {
    package static func of(_ instance: UInt64) -> String {
        let digits = String(instance, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }

    static func number(_ text: String) -> UInt64? {
        guard (1...16).contains(text.utf8.count), text.utf8.first != UInt8(ascii: "+") else {
            return nil
        }
        return UInt64(text, radix: 16)
    }
}
