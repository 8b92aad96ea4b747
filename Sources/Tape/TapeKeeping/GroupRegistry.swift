public import Membership
public import NatsTransport
internal import Primitives
internal import ServiceRuntime
public import TapeProtocol
public import TapeTransport

/// The groups that the tape is kept for, in the namespace's bucket of groups.
///
/// `group.<name>` is written by the group itself, or by a person; `group.<name>.<input>.<block>`
/// holds its positions and is written by the keeper alone. Every call blocks.
public struct GroupRegistry: Sendable {
    static let callTimeout = Duration.seconds(2)
    private static let bytesMax: Int64 = 64 << 20
    /// More than this cannot be registered: every purge looks at all of them.
    public static let groupsMax = 64
    /// Of a write that somebody else comes in front of.
    private static let triesMax = 8

    let bucket: KeyValueBucket

    private init(_ bucket: KeyValueBucket) { self.bucket = bucket }

    // MARK: opening

    /// Makes the bucket if it is not there and the server has no users.
    public static func make(_ client: TapeClient) throws(TapeError) -> GroupRegistry {
        GroupRegistry(try jetStream(client).openOrMakeBucket(configuration(client.names)))
    }

    /// For those who may not make one: `.missingStream` while there is none.
    public static func open(_ client: TapeClient) throws(TapeError) -> GroupRegistry {
        let configuration = configuration(client.names)
        let bucket: KeyValueBucket?
        do throws(JetStreamError) {
            bucket = try jetStream(client).openBucket(configuration)
        } catch {
            throw TapeError(making: error)
        }
        guard let bucket else { throw .missingStream(configuration.stream.name) }
        return GroupRegistry(bucket)
    }

    private static func jetStream(_ client: TapeClient) -> JetStream {
        client.jetStream.within(callTimeout)
    }

    public static func configuration(_ names: TapeNames) -> KeyValueConfiguration {
        KeyValueConfiguration(
            bucket: names.groupBucket, bytesMax: bytesMax, metadata: names.record)
    }

    // MARK: registering

    /// From now on the tape keeps what the group has not read. One that is registered already stays
    /// as it is, but for what it reads; false: nothing was to be changed.
    @discardableResult
    public func register(
        _ group: GroupName, reads: Set<ReaderPosition.Input>
    ) throws(TapeError) -> Bool {
        for _ in 0..<Self.triesMax {
            let standing = try entry(Self.key(group))
            let known = standing.flatMap { RegisteredGroup(group, json: $0.value) }
            if let known, known.reads == reads { return false }
            let count = try standing == nil ? self.groups().count : 0
            guard count < Self.groupsMax else {
                throw .jetStream(
                    .invalid(
                        operation: "register group \(group)",
                        detail: "\(Self.groupsMax) groups are the most; remove one"))
            }
            var next = RegisteredGroup(
                group: group, registered: SystemClock().now(), reads: reads)
            if let known { next.registered = known.registered }
            if try put(Self.key(group), next.json, standing?.revision) { return true }
        }
        throw unsettled("register group \(group)")
    }

    /// What it has not read is kept no longer, and its positions are forgotten; false: it was not
    /// registered.
    public func remove(_ group: GroupName) throws(TapeError) -> Bool {
        do throws(JetStreamError) {
            let wasThere = try bucket.get(Self.key(group)) != nil
            // The registration first: positions without one count for nothing.
            for key in [Self.key(group)] + (try bucket.keys(matching: "group.\(group).*.*").keys) {
                guard try bucket.get(key) != nil else { continue }
                if case .unknown(let reason) = try bucket.delete(key) {
                    throw .malformed(operation: "delete \(key)", detail: reason)
                }
            }
            return wasThere
        } catch {
            throw .jetStream(error)
        }
    }

    /// All that are registered, in order of their names. One whose registration cannot be read is
    /// taken for one that reads everything and has told nothing.
    public func groups() throws(TapeError) -> [RegisteredGroup] {
        do throws(JetStreamError) {
            var found: [GroupName: RegisteredGroup] = [:]
            var blocks: [(GroupName, KeyValueEntry)] = []
            for entry in try bucket.entries(matching: "group.>").entries {
                let tokens = entry.key.split(separator: ".")
                guard let group = GroupName(String(tokens[1])) else { continue }
                if tokens.count > 2 {
                    blocks.append((group, entry))
                } else {
                    found[group] =
                        RegisteredGroup(group, json: entry.value)
                        ?? RegisteredGroup(
                            group: group, registered: entry.time, reads: [.ticks, .bars])
                }
            }
            for (group, entry) in blocks { found[group]?.add(entry) }
            return found.values.sorted { $0.group.text < $1.group.text }
        } catch {
            throw .jetStream(error)
        }
    }

    /// As long as it stays, nothing has changed.
    public func lastRevision() throws(TapeError) -> UInt64 {
        do throws(JetStreamError) {
            return try bucket.lastRevision()
        } catch {
            throw .jetStream(error)
        }
    }

    // MARK: positions

    /// Puts the positions of a group on record; the keeper's part.
    func record(
        _ positions: [ReaderPosition], of group: GroupName, told: Timestamp
    ) throws(TapeError) {
        let blocks = [PositionBlock: [ReaderPosition]](grouping: positions) { PositionBlock($0) }
        for (block, positions) in blocks {
            let sorted = positions.sorted { $0.partition < $1.partition }
            let key = block.key(group)
            let value = PositionBlock.json(sorted, told: told)
            var isStored = false
            for _ in 0..<Self.triesMax where !isStored {
                isStored = try put(key, value, entry(key)?.revision)
            }
            guard isStored else { throw unsettled("record the positions of group \(group)") }
        }
    }

    // MARK: parts

    private static func key(_ group: GroupName) -> String { "group.\(group)" }

    private func entry(_ key: String) throws(TapeError) -> KeyValueEntry? {
        do throws(JetStreamError) {
            return try bucket.get(key)
        } catch {
            throw .jetStream(error)
        }
    }

    /// False: somebody else has written, or nobody knows; read again.
    private func put(
        _ key: String, _ value: [UInt8], _ revision: UInt64?
    ) throws(TapeError) -> Bool {
        do throws(JetStreamError) {
            let outcome =
                if let revision { try bucket.put(key, value, expected: revision) } else {
                    try bucket.create(key, value)
                }
            if case .stored = outcome { return true }
            return false
        } catch {
            throw .jetStream(error)
        }
    }

    private func unsettled(_ operation: String) -> TapeError {
        .jetStream(.unavailable(operation: operation, peer: bucket.jetStream.connection.peer))
    }
}

extension RegisteredGroup {
    /// What is damaged is left out: the group then has told nothing of it, and holds everything.
    fileprivate mutating func add(_ entry: KeyValueEntry) {
        guard let block = PositionBlock.positions(json: entry.value) else { return }
        positions += block.positions
        positions.sort {
            ($0.input.rawValue, $0.partition) < ($1.input.rawValue, $1.partition)
        }
        told = told.isDefined ? max(told, block.told) : block.told
    }
}
