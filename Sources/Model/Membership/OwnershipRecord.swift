package import Primitives

/// The owner of a partition: a value of the bucket of owners, changed only by compare-and-set.
package struct OwnershipRecord: Equatable, Sendable {
    package static let version = 1
    /// The largest record.
    package static let bytesMax = 1_024
    /// A record with a higher epoch is treated as damaged.
    package static let epochMax: UInt64 = 1 << 62

    package enum State: String, Sendable {
        /// The owner has the partition, or is taking it.
        case held
        /// The owner gave the partition back in order. The epoch stays.
        case free
    }

    /// The owner, or the last one when the partition is free.
    package var owner: MemberName
    /// The owner's process: a restarted process has the same name and another instance.
    package var instance: UInt64
    /// Where the owner's process was started, as a checksum of its setting; `nil`: nowhere. Of the
    /// processes of one place at most one runs at a time.
    package var place: UInt64?
    /// Rises with every claim, and when the owner met a higher one where its results go.
    package var epoch: UInt64
    /// Wall clock: since when this state holds.
    package var since: Timestamp
    package var state: State

    package init(
        owner: MemberName, instance: UInt64, epoch: UInt64, since: Timestamp, state: State
    ) {
        self.owner = owner
        self.instance = instance
        self.epoch = epoch
        self.since = since
        self.state = state
    }

    package var json: [UInt8] {
        JSONWriter.made(capacity: 192, version: Self.version) { json in
            json.member("owner", owner.text)
            json.member("instance", InstanceText.of(instance))
            if let place { json.member("place", InstanceText.of(place)) }
            json.member("epoch", epoch)
            json.member("since_ns", since.nanoseconds)
            json.member("state", state.rawValue)
        }.bytes
    }

    /// A record that is refused has no owner. One of a newer release, too: it is claimed with an
    /// epoch that rises where the owner's results go, so a release can be taken back.
    package init(json bytes: [UInt8]) throws(VersionedJSON.Refusal) {
        let json = try VersionedJSON.read(bytes, upTo: Self.version)
        guard let owner = json["owner"]?.string.flatMap({ MemberName($0) }),
            let instance = json["instance"]?.string.flatMap(InstanceText.number),
            let epoch = json["epoch"]?.uint64, epoch < Self.epochMax,
            let since = json["since_ns"]?.int,
            let state = json["state"]?.string.flatMap({ State(rawValue: $0) })
        else { throw .damaged("it is no record of an owner") }
        self.init(
            owner: owner, instance: instance, epoch: epoch,
            since: Timestamp(nanoseconds: Int64(since)), state: state)
        place = json["place"]?.string.flatMap(InstanceText.number)
    }
}
