internal import MarketModel
public import Membership
public import Primitives
public import TapeTransport

/// A group that the tape is kept for: what it has not read stays, whether anybody of it lives or
/// not.
public struct RegisteredGroup: Equatable, Sendable {
    public let group: GroupName
    public var registered: Timestamp
    public var reads: Set<ReaderPosition.Input>
    /// As they were put on record last; in order of input and partition.
    public var positions: [ReaderPosition] = []
    /// When they were put on record; undefined: none ever was.
    public var told = Timestamp.undefined

    public init(group: GroupName, registered: Timestamp, reads: Set<ReaderPosition.Input>) {
        self.group = group
        self.registered = registered
        self.reads = reads
    }

    // MARK: JSON

    /// The registration alone: positions have keys of their own.
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

    /// Nil: it is no registration. Who can read what a later version wrote keeps more, not less.
    init?(_ group: GroupName, json bytes: [UInt8]) {
        guard let json = JSONValue.parsed(bytes), let entries = json["reads"]?.array,
            let registered = json["registered_ns"]?.int
        else { return nil }
        let reads = entries.compactMap { $0.string.flatMap { ReaderPosition.Input(rawValue: $0) } }
        self.init(
            group: group, registered: Timestamp(nanoseconds: Int64(registered)), reads: Set(reads))
    }
}

/// Positions of one group on neighbouring partitions of one input: what one key holds.
struct PositionBlock: Hashable {
    /// A value of a bucket has 512 KiB: this leaves room for some ten sources per partition.
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

    /// Nil when any of it is no position: then nothing of it is believed.
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
