internal import MarketModel
public import Membership
public import Primitives
public import TapeTransport

/// A group for which the tape keeps what it has not read, whether or not a process of the group is
/// alive.
public struct RegisteredGroup: Equatable, Sendable {
    public let group: GroupName
    public var registered: Timestamp
    public var reads: Set<ReaderPosition.Input>
    /// The stored positions, in order of input and partition.
    public var positions: [ReaderPosition] = []
    /// When the positions were last stored; undefined until they were.
    public var told = Timestamp.undefined

    public init(group: GroupName, registered: Timestamp, reads: Set<ReaderPosition.Input>) {
        self.group = group
        self.registered = registered
        self.reads = reads
    }

    // MARK: JSON

    /// The registration as JSON, without the positions, which have separate keys.
    var json: [UInt8] {
        var json = JSONWriter(capacity: 128)
        json.object { json in
            json.member("group", group.text)
            json.member("registered", registered.description)
            json.member("registered_ns", registered.nanoseconds)
            json.member(
                "reads",
                array: { json in
                    for input in reads.map(\.rawValue).sorted() { json.value(input) }
                })
        }
        return json.bytes
    }

    /// Fails when the bytes are no registration. Inputs and fields that a later version added are
    /// ignored.
    init?(_ group: GroupName, json bytes: [UInt8]) {
        guard let json = JSONValue.parsed(bytes), let entries = json["reads"]?.array,
            let registered = json["registered_ns"]?.int
        else { return nil }
        let reads = entries.compactMap { $0.string.flatMap { ReaderPosition.Input(rawValue: $0) } }
        self.init(
            group: group, registered: Timestamp(nanoseconds: Int64(registered)), reads: Set(reads))
    }
}

/// The positions of one group on neighbouring partitions of one input, which one key holds.
struct PositionBlock: Hashable {
    /// The partitions per key. A value of a bucket has 512 KiB, which leaves room for some ten
    /// sources per partition.
    static let partitions = 256

    let input: ReaderPosition.Input
    let number: Int

    init(_ position: ReaderPosition) {
        input = position.input
        number = position.partition.number / Self.partitions
    }

    func key(_ group: GroupName) -> String { "group.\(group).\(input.rawValue).\(number)" }

    static func json(_ positions: [ReaderPosition], told: Timestamp) -> [UInt8] {
        var json = JSONWriter(capacity: 64 + positions.count * 256)
        json.object { json in
            json.member("told_ns", told.nanoseconds)
            json.member(
                "positions",
                array: { json in for position in positions { position.write(into: &json) } })
        }
        return json.bytes
    }

    /// Returns `nil` when any part is no position: then none of it is used.
    static func positions(
        json bytes: [UInt8]
    ) -> (positions: [ReaderPosition], told: Timestamp)? {
        guard let json = JSONValue.parsed(bytes), let told = json["told_ns"]?.int,
            let entries = json["positions"]?.array
        else { return nil }
        var positions: [ReaderPosition] = []
        for entry in entries {
            guard let position = ReaderPosition(json: entry) else { return nil }
            positions.append(position)
        }
        return (positions, Timestamp(nanoseconds: Int64(told)))
    }
}

extension JSONValue {
    static func parsed(_ bytes: [UInt8]) -> JSONValue? {
        do throws(JSONError) {
            return try parse(bytes)
        } catch {
            return nil
        }
    }
}
