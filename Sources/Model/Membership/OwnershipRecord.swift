public import Primitives

/// Who owns a partition: a value of the bucket of owners, changed only by compare-and-set.
public struct OwnershipRecord: Equatable, Sendable {
    public static let version = 1
    /// What the bucket takes.
    public static let bytesMax = 1_024
    /// A higher epoch makes a record a damaged one.
    public static let epochMax: UInt64 = 1 << 62

    public enum State: String, Sendable {
        case held
        /// Its owner gave it back in order; the epoch stays.
        case free
    }

    public var owner: MemberName
    public var instance: UInt64
    /// Rises with every claim, and when the owner met a higher one where its results go.
    public var epoch: UInt64
    /// Wall clock: since when it is so.
    public var since: Timestamp
    public var state: State

    public init(
        owner: MemberName, instance: UInt64, epoch: UInt64, since: Timestamp, state: State
    ) {
        self.owner = owner
        self.instance = instance
        self.epoch = epoch
        self.since = since
        self.state = state
    }

    public var json: [UInt8] {
        var json = JSONWriter(capacity: 192)
        json.object { json in
            json.member("v", Self.version)
            json.member("owner", owner.text)
            json.member("instance", InstanceText.of(instance))
            json.member("epoch", epoch)
            json.member("since_ns", since.nanoseconds)
            json.member("state", state.rawValue)
        }
        return json.bytes
    }

    /// nil: it is damaged, and nobody's.
    public init?(json bytes: [UInt8]) {
        guard let json = InstanceText.parsed(bytes), json["v"]?.int ?? 0 >= 1,
            let owner = json["owner"]?.string.flatMap({ MemberName($0) }),
            let instance = json["instance"]?.string.flatMap(InstanceText.number),
            let epoch = json["epoch"]?.uint64, epoch < Self.epochMax,
            let since = json["since_ns"]?.int,
            let state = json["state"]?.string.flatMap({ State(rawValue: $0) })
        else { return nil }
        self.init(
            owner: owner, instance: instance, epoch: epoch,
            since: Timestamp(nanoseconds: Int64(since)), state: state)
    }
}
