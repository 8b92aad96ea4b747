internal import MarketModel
internal import Membership
internal import NatsTransport
internal import Primitives
internal import TapeProtocol
internal import TapeTransport

/// The bucket of owners on one connection. One thread uses it; every call blocks up to
/// `callTimeout`.
struct OwnerRecords {
    static let callTimeout = Duration.seconds(1)
    private static let bytesMax: Int64 = 64 << 20
    /// When a read has this many changes, the rest is read the next time.
    private static let changesMax = 16_384

    private let jetStream: JetStream
    private let names: TapeNames
    private let group: GroupName
    private let member: MemberName
    private var bucket: KeyValueBucket?
    /// When the bucket that was read was made; `nil` before the first read.
    private var created: Timestamp?

    init(
        _ connection: NatsConnection, _ names: TapeNames, _ settings: GroupMember.Settings,
        onCall: @escaping @Sendable (Duration) -> Void
    ) {
        jetStream = JetStream(connection, timeout: Self.callTimeout, onCall: onCall)
        self.names = names
        group = settings.group
        member = settings.member
    }

    static func configuration(_ names: TapeNames) -> KeyValueConfiguration {
        KeyValueConfiguration(
            bucket: names.ownersBucket, bytesMax: bytesMax,
            valueBytesMax: OwnershipRecord.bytesMax, metadata: names.record)
    }

    /// Returns the bucket, opened or made if necessary.
    private mutating func opened() throws(TapeError) -> KeyValueBucket {
        if let bucket { return bucket }
        let found = try jetStream.openOrMakeBucket(Self.configuration(names))
        bucket = found
        return found
    }

    // MARK: reading

    /// Reads the group's records that were written after `after`; all of them when it is 0, or when
    /// the bucket is another one than before.
    mutating func read(number: UInt64, after: UInt64) throws(TapeError) -> RecordsRead {
        let bucket = try opened()
        do throws(JetStreamError) {
            let info = try bucket.info()
            let isWhole = after == 0 || info.created != created || info.lastSequence < after
            created = info.created
            var read = RecordsRead(
                number: number, isWhole: isWhole, last: info.lastSequence, changes: [],
                isReplicated: info.configuration.replicas > 1)
            guard isWhole || info.lastSequence > after else { return read }
            // A record that is written again during a complete read is found at its new place.
            let changes = try bucket.changes(
                isWhole ? 1...UInt64.max : after + 1...info.lastSequence,
                matching: "\(group).*", max: Self.changesMax)
            read.changes = changes.compactMap(Self.change)
            if let end = changes.last?.revision {
                read.last = changes.count < Self.changesMax ? max(read.last, end) : end
            }
            // When all writes are of the group's records, none is a request to drain this member.
            guard isWhole || UInt64(changes.count) < read.last - after else { return read }
            // Behind the changes, so that none that `last` includes was written after it.
            read.drain = DrainBook.news(try bucket.get(DrainKey(member).text)?.value, group)
            return read
        } catch {
            // The bucket may have been deleted. The next call opens it, or makes it.
            self.bucket = nil
            throw TapeError.jetStream(error)
        }
    }

    /// Returns the change; `nil` when the key belongs to no partition.
    static func change(_ change: KeyValueChange) -> RecordsRead.Change? {
        guard let partition = OwnerKey(change.key)?.partition else { return nil }
        return RecordsRead.Change(
            partition: partition, revision: change.revision, content: content(change.value))
    }

    private static func content(_ value: [UInt8]?) -> RecordsRead.Change.Content {
        guard let value else { return .deleted }
        do throws(VersionedJSON.Refusal) {
            return .record(try OwnershipRecord(json: value))
        } catch {
            return .refused(error)
        }
    }

    // MARK: writing

    /// Sends all writes at the same time. `answer` is called for each of them in their order, as
    /// soon as its outcome is known: what follows from the first ones need not wait for the last.
    mutating func write(_ writes: [RecordWrite], _ answer: (RecordWrite, WriteOutcome) -> Void) {
        let bucket: KeyValueBucket
        do throws(TapeError) {
            bucket = try opened()
        } catch {
            for write in writes { answer(write, .unsettled("\(error)")) }
            return
        }
        var settled = 0
        bucket.put(
            all: writes.map { write in
                KeyValuePut(
                    key: OwnerKey(group: group, partition: write.partition).text,
                    value: write.record.json, expected: write.expected)
            }
        ) { result in
            answer(writes[settled], Self.outcome(result))
            settled += 1
        }
    }

    private static func outcome(
        _ result: Result<KeyValueOutcome, JetStreamError>
    ) -> WriteOutcome {
        switch result {
        case .success(.stored(let revision)): .stored(revision: revision)
        case .success(.conflict): .conflict
        case .success(.unknown(let reason)): .unsettled(reason)
        case .failure(let error): .unsettled("\(error)")
        }
    }
}

/// A key: `<group>.<partition>`.
struct OwnerKey {
    let group: GroupName
    let partition: Partition

    init(group: GroupName, partition: Partition) {
        self.group = group
        self.partition = partition
    }

    init?(_ text: String) {
        let tokens = text.split(separator: ".", omittingEmptySubsequences: false)
        guard tokens.count == 2, let group = GroupName(String(tokens[0])),
            let number = Int(tokens[1]), number >= 0, number < Partition.countRange.upperBound,
            String(number) == tokens[1]
        else { return nil }
        self.group = group
        partition = Partition(number)
    }

    var text: String { "\(group).\(partition)" }
}
