internal import MarketModel
package import Membership
package import Primitives
package import TapeTransport

/// A group for which the tape keeps what it has not read, whether or not a process of the group is
/// alive.
package struct RegisteredGroup: Equatable, Sendable {
    static let version = 1

    package let group: GroupName
    /// When the group was registered, by the wall clock.
    package var registered: Timestamp
    /// What its readers read.
    package var reads: Set<ReaderPosition.Input>
    /// The kind of a store; empty for other groups, and as long as no process of the store ran.
    package var kind = ""
    /// Whether others wait for it, and whether its absence is reported. A store can be one that is
    /// not needed: only the tape is kept for it.
    package var isNeeded = true
    /// Why what is stored of the group cannot be read, or only in part; `nil` if it can. If that is
    /// the registration, `reads` has every input: more is kept than the group needs, never less.
    package var problem: VersionedJSON.Refusal?
    /// The stored positions, in order of input and partition.
    package var positions: [ReaderPosition] = []
    /// When the positions were last stored; undefined until they were.
    package var told = Timestamp.undefined

    package init(group: GroupName, registered: Timestamp, reads: Set<ReaderPosition.Input>) {
        self.group = group
        self.registered = registered
        self.reads = reads
    }

    // MARK: JSON

    /// The registration as JSON, without the positions, which have separate keys.
    var json: [UInt8] {
        JSONWriter.made(capacity: 128, version: Self.version) { json in
            json.member("group", group.text)
            json.member("registered", registered.description)
            json.member("registered_ns", registered.nanoseconds)
            json.member("reads", values: reads.map(\.rawValue).sorted())
            json.member("role", group.role.rawValue)
            json.member("kind", kind)
            json.member("needed", isNeeded)
        }.bytes
    }

    /// Reads what is registered, written at that time.
    init(_ group: GroupName, json bytes: [UInt8], written: Timestamp) {
        self.init(
            group: group, registered: written, reads: Set(ReaderPosition.Input.allCases))
        do throws(VersionedJSON.Refusal) {
            try take(VersionedJSON.read(bytes, upTo: Self.version))
        } catch {
            problem = error
        }
    }

    /// Returns why a stored registration cannot be read; `nil` if it can.
    package static func problem(
        of group: GroupName, json bytes: [UInt8]
    ) -> VersionedJSON.Refusal? {
        RegisteredGroup(group, json: bytes, written: .undefined).problem
    }

    private mutating func take(_ json: JSONValue) throws(VersionedJSON.Refusal) {
        guard let entries = json["reads"]?.array, let time = json["registered_ns"]?.int else {
            throw .damaged("it is no registration")
        }
        registered = Timestamp(nanoseconds: Int64(time))
        let known = entries.compactMap { $0.string.flatMap { ReaderPosition.Input(rawValue: $0) } }
        guard known.count == entries.count else {
            throw .newer("the group reads an input that this program does not know")
        }
        reads = Set(known)
        kind = json["kind"]?.string ?? kind
        isNeeded = json["needed"]?.bool ?? isNeeded
    }
}

extension Collection<RegisteredGroup> {
    /// The groups without which nothing comes out: operators, and each store that is needed. The
    /// usual store is missing where none is registered.
    package var essential: [GroupName] {
        let stores = filter(\.group.isStore)
        return [.operators] + (stores.isEmpty ? [.store] : stores.filter(\.isNeeded).map(\.group))
    }
}

/// The positions of one group on neighbouring partitions of one input, which one key holds.
struct PositionBlock: Hashable {
    /// The partitions per key. A value of a bucket has 512 KiB, which leaves room for some ten
    /// sources per partition.
    static let partitions = 256

    let input: ReaderPosition.Input
    /// The block's place among those of the input.
    let number: Int

    init(_ position: ReaderPosition) {
        input = position.input
        number = position.partition.number / Self.partitions
    }

    func key(_ group: GroupName) -> String { "group.\(group).\(input.rawValue).\(number)" }

    static func json(_ positions: [ReaderPosition], told: Timestamp) -> [UInt8] {
        var json = JSONWriter(capacity: 64 + positions.count * 256)
        json.object(version: ReaderPosition.version) { json in
            json.member("told_ns", told.nanoseconds)
            json.array("positions", of: positions) { json, position in position.write(into: &json) }
        }
        return json.bytes
    }

    /// When any part is no position, none of it is used.
    static func positions(
        json bytes: [UInt8]
    ) throws(VersionedJSON.Refusal) -> (positions: [ReaderPosition], told: Timestamp) {
        let json = try VersionedJSON.read(bytes, upTo: ReaderPosition.version)
        guard let told = json["told_ns"]?.int else { throw .damaged("it has no time") }
        return (try ReaderPosition.all(of: json), Timestamp(nanoseconds: Int64(told)))
    }
}
