package import Membership
package import NatsTransport
internal import Primitives
internal import ServiceRuntime
package import TapeProtocol
package import TapeTransport

/// The groups for which the tape keeps what they have not read, in the namespace's bucket of
/// groups.
///
/// `group.<name>` is written by the group itself, or by a person. `group.<name>.<input>.<block>`
/// holds the group's positions and is written by the keeper alone. Every call blocks.
package struct GroupRegistry: Sendable {
    static let callTimeout = Duration.seconds(2)
    private static let bytesMax: Int64 = 64 << 20
    /// The largest number of registered groups. It is bounded because every purge reads all of
    /// them.
    package static let groupsMax = 64
    /// The number of tries of a write that another writer's change refuses.
    private static let triesMax = 8

    let bucket: KeyValueBucket

    private init(_ bucket: KeyValueBucket) { self.bucket = bucket }

    // MARK: opening

    /// Creates the bucket if it does not exist and the server has no users.
    package static func make(_ client: TapeClient) throws(TapeError) -> GroupRegistry {
        GroupRegistry(try jetStream(client).openOrMakeBucket(configuration(client.names)))
    }

    /// Opens the bucket for a process that may not create one. Throws `.missingStream` while there
    /// is none.
    package static func open(_ client: TapeClient) throws(TapeError) -> GroupRegistry {
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

    package static func configuration(_ names: TapeNames) -> KeyValueConfiguration {
        KeyValueConfiguration(
            bucket: names.groupBucket, bytesMax: bytesMax, metadata: names.record)
    }

    // MARK: registering

    /// Registers a group: from now on the tape keeps what it has not read. A group that is
    /// registered already stays as it is, except for what is said here; one that a newer release
    /// registered stays as it is in any case. With `widens` it reads what it read before, too.
    /// Throws `.otherKind` when it is that of a store of another kind. Returns false when nothing
    /// was changed.
    @discardableResult
    package func register(
        _ group: GroupName, reads: Set<ReaderPosition.Input>, kind: String? = nil,
        isNeeded: Bool? = nil, widens: Bool = false
    ) throws(TapeError) -> Bool {
        for _ in 0..<Self.triesMax {
            let standing = try bucket.entry(Self.key(group))
            let known = standing.map {
                RegisteredGroup(group, json: $0.value, written: $0.time)
            }
            if let known, known.problem?.isNewer == true { return false }
            if let known, let kind, !known.kind.isEmpty, known.kind != kind {
                throw .otherKind(group: group.text, registered: known.kind, kind: kind)
            }
            let before = widens && known?.problem == nil ? known?.reads ?? [] : []
            var next = RegisteredGroup(
                group: group, registered: known?.registered ?? SystemClock().now(),
                reads: reads.union(before))
            next.kind = kind ?? known?.kind ?? next.kind
            next.isNeeded = isNeeded ?? known?.isNeeded ?? next.isNeeded
            if known == next { return false }
            let count = try standing == nil ? self.groups().count : 0
            guard count < Self.groupsMax else {
                throw .jetStream(
                    .invalid(
                        operation: "register group \(group)",
                        detail: "\(Self.groupsMax) groups are the most; remove one"))
            }
            if try put(Self.key(group), next.json, standing?.revision) { return true }
        }
        throw unsettled("register group \(group)")
    }

    /// Removes a group: the tape no longer keeps what it has not read, and its positions are
    /// deleted. Returns false when it was not registered.
    package func remove(_ group: GroupName) throws(TapeError) -> Bool {
        do throws(JetStreamError) {
            let wasThere = try bucket.get(Self.key(group)) != nil
            // The registration is deleted first: positions without one have no effect.
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

    /// Returns all registered groups, in order of their names. A group whose registration cannot be
    /// read is treated as one that reads everything and has reported nothing.
    package func groups() throws(TapeError) -> [RegisteredGroup] {
        do throws(JetStreamError) {
            var found: [GroupName: RegisteredGroup] = [:]
            var blocks: [(GroupName, KeyValueEntry)] = []
            for entry in try bucket.entries(matching: "group.>").entries {
                let tokens = entry.key.split(separator: ".")
                guard let group = GroupName(String(tokens[1])) else { continue }
                if tokens.count > 2 {
                    blocks.append((group, entry))
                } else {
                    found[group] = RegisteredGroup(
                        group, json: entry.value, written: entry.time)
                }
            }
            for (group, entry) in blocks { found[group]?.add(entry) }
            return found.values.sorted { $0.group.text < $1.group.text }
        } catch {
            throw .jetStream(error)
        }
    }

    /// Returns all registered groups without their positions; none before a group has registered.
    package static func registrations(
        _ client: TapeClient
    ) throws(TapeError) -> [RegisteredGroup] {
        let registry: GroupRegistry
        do throws(TapeError) {
            registry = try open(client)
        } catch {
            if case .missingStream = error { return [] }
            throw error
        }
        return try TapeError.ofJetStream { () throws(JetStreamError) in
            try registry.bucket.entries(matching: "group.*").entries.compactMap { entry in
                GroupName(String(entry.key.dropFirst("group.".count))).map {
                    RegisteredGroup($0, json: entry.value, written: entry.time)
                }
            }
        }.sorted { $0.group.text < $1.group.text }
    }

    /// Returns the bucket's last revision. As long as it stays the same, nothing has changed.
    package func lastRevision() throws(TapeError) -> UInt64 {
        try TapeError.ofJetStream { () throws(JetStreamError) in try bucket.lastRevision() }
    }

    // MARK: positions

    /// Stores the positions of a group. The keeper alone calls this.
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
                isStored = try put(key, value, bucket.entry(key)?.revision)
            }
            guard isStored else { throw unsettled("record the positions of group \(group)") }
        }
    }

    // MARK: parts

    private static func key(_ group: GroupName) -> String { "group.\(group)" }

    /// Returns false when another writer has written, or when the outcome is unknown; then the
    /// caller must read again.
    private func put(
        _ key: String, _ value: [UInt8], _ revision: UInt64?
    ) throws(TapeError) -> Bool {
        if case .stored = try bucket.store(key, value, after: revision ?? 0) { return true }
        return false
    }

    /// The error of a write that other writers refused too often.
    private func unsettled(_ operation: String) -> TapeError {
        .jetStream(.unavailable(operation: operation, peer: bucket.jetStream.connection.peer))
    }
}

extension RegisteredGroup {
    /// Adds the positions of an entry. One that is refused is left out: the group is then treated
    /// as having reported none of these positions, so it holds everything.
    fileprivate mutating func add(_ entry: KeyValueEntry) {
        do throws(VersionedJSON.Refusal) {
            let block = try PositionBlock.positions(json: entry.value)
            positions += block.positions
            positions.sort {
                ($0.input.rawValue, $0.partition) < ($1.input.rawValue, $1.partition)
            }
            told = told.isDefined ? max(told, block.told) : block.told
        } catch {
            problem = problem ?? error
        }
    }
}
