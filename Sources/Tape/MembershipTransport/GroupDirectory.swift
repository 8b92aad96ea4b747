package import MarketModel
package import Membership
package import NatsTransport
package import Primitives
internal import ServiceRuntime
package import TapeProtocol
package import TapeTransport

/// The members and the owners of all groups of a namespace, for tools.
package struct GroupDirectory: Sendable {
    /// The most members that are listed.
    package static let membersMax = 1_024
    /// The most records that are listed.
    package static let recordsMax = 65_536
    private static let pendingMax = 4_096

    package struct Member: Equatable, Sendable {
        package let group: GroupName
        /// The last heartbeat that was received.
        package let heartbeat: MemberHeartbeat
    }

    package struct Owner: Equatable, Sendable {
        package let group: GroupName
        package let partition: Partition
        /// `nil` when it cannot be read; then the partition is treated as free.
        package let record: OwnershipRecord?
        /// When the record was written, by NATS.
        package let written: Timestamp
        package let revision: UInt64
    }

    /// Every group of which a member was heard or a record exists.
    package let groups: [GroupName]
    /// The members that were heard, by group, name and instance. A paused or disconnected member
    /// sends nothing.
    package let members: [Member]
    /// The owners by group and partition.
    package let owners: [Owner]
    /// The requests to drain members, by name, and the markers of those that were taken back.
    package let drains: [DrainBook.Entry]
    /// A line on each member and record that cannot be read.
    package let refused: [String]

    /// What came on the subject of heartbeats.
    private enum Answer {
        case member(Member)
        case refused(String)
    }

    /// Asks all members, listens for `window`, and reads all records meanwhile. It blocks for that
    /// time, and for as long as reading takes.
    package init(
        _ client: TapeClient, listeningFor window: Duration = .milliseconds(500)
    ) throws(TapeError) {
        let heard = Mailbox<Answer>(capacity: Self.pendingMax)
        let subscription = try Self.listen(client, heard)
        defer { subscription.unsubscribe() }
        let clock = SystemClock()
        let deadline = clock.deadline(after: window)
        var refused = Set<String>()
        let records = try Self.records(client, &refused)
        (owners, drains) = (records.owners, records.drains)
        members = Self.members(heard, until: deadline, clock, &refused)
        groups = Set(members.map(\.group) + owners.map(\.group)).sorted { $0.text < $1.text }
        self.refused = refused.sorted()
    }

    private static func listen(
        _ client: TapeClient, _ heard: Mailbox<Answer>
    ) throws(TapeError) -> NatsSubscription {
        do throws(NatsError) {
            let subscription = try client.connection.subscribe(
                client.names.heartbeats, pendingMessagesMax: pendingMax
            ) { message in
                let tokens = message.subject.split(separator: ".")
                guard tokens.count == 4, let group = GroupName(String(tokens[2])),
                    let member = MemberName(String(tokens[3]))
                else { return }
                _ = heard.send(answer(group, member, message.payload))
            }
            try client.connection.publish([], to: client.names.askMembers)
            return subscription
        } catch {
            throw .nats(error)
        }
    }

    private static func answer(
        _ group: GroupName, _ member: MemberName, _ payload: [UInt8]
    ) -> Answer {
        do throws(VersionedJSON.Refusal) {
            let heartbeat = try MemberHeartbeat(json: payload, member: member)
            return .member(Member(group: group, heartbeat: heartbeat))
        } catch {
            return .refused("member \(member) of group \(group) is not listed: \(error)")
        }
    }

    /// Returns the last heartbeat of each member that came in time.
    private static func members(
        _ heard: Mailbox<Answer>, until deadline: MonotonicTime, _ clock: SystemClock,
        _ refused: inout Set<String>
    ) -> [Member] {
        struct Key: Hashable {
            let group: GroupName
            let member: MemberName
            let instance: UInt64
        }
        var found: [Key: Member] = [:]
        var batch: [Answer] = []
        repeat {
            batch.removeAll(keepingCapacity: true)
            _ = heard.receive(
                into: &batch, max: heard.capacity, timeout: clock.remaining(until: deadline))
            for answer in batch {
                switch answer {
                case .refused(let line): if refused.count < membersMax { refused.insert(line) }
                case .member(let member):
                    let key = Key(
                        group: member.group, member: member.heartbeat.member,
                        instance: member.heartbeat.instance)
                    guard found[key] != nil || found.count < membersMax else { continue }
                    found[key] = member
                }
            }
        } while clock.remaining(until: deadline) > .zero
        return found.values.filter { $0.heartbeat.state != .gone }.sorted {
            ($0.group.text, $0.heartbeat.member.text, $0.heartbeat.instance)
                < ($1.group.text, $1.heartbeat.member.text, $1.heartbeat.instance)
        }
    }

    /// Returns the bucket of the records of owners.
    package static func bucket(_ names: TapeNames) -> KeyValueConfiguration {
        OwnerRecords.configuration(names)
    }

    private static func records(
        _ client: TapeClient, _ refused: inout Set<String>
    ) throws(TapeError) -> (owners: [Owner], drains: [DrainBook.Entry]) {
        var owners: [Owner] = []
        var drains: [DrainBook.Entry] = []
        do throws(JetStreamError) {
            guard
                let bucket = try client.jetStream.bucketAsFound(client.names.ownersBucket)
            else { return ([], []) }
            var next: UInt64 = 1
            while owners.count + drains.count < recordsMax,
                let change = try bucket.firstChange(from: next)
            {
                next = change.revision + 1
                if let drain = DrainBook.entry(change) {
                    drains.append(drain)
                    if case .refused(let refusal) = drain.content {
                        refused.insert("the request to drain member \(drain.member): \(refusal)")
                    }
                    continue
                }
                guard let key = OwnerKey(change.key), let value = change.value else { continue }
                var record: OwnershipRecord?
                do throws(VersionedJSON.Refusal) {
                    record = try OwnershipRecord(json: value)
                } catch {
                    refused.insert(
                        "the record of partition \(key.partition) of group \(key.group): \(error)")
                }
                owners.append(
                    Owner(
                        group: key.group, partition: key.partition, record: record,
                        written: change.time, revision: change.revision))
            }
        } catch {
            throw .jetStream(error)
        }
        owners.sort {
            ($0.group.text, $0.partition.number) < ($1.group.text, $1.partition.number)
        }
        return (owners, drains.sorted { $0.member < $1.member })
    }
}
