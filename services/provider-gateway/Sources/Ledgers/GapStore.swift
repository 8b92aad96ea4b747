import MarketModel
import NatsTransport
import Primitives
import TapeProtocol
import TapeTransport

/// The ledgers of a source in the bucket of sources, one key per partition. Only one thread at a
/// time may use it. Every call blocks up to the timeout of the bucket.
///
/// All owners derive the same ledgers from the tape, each as far as it has read. So the owner that
/// has read further is always right.
struct GapStore {
    /// The outcome of writing one ledger.
    enum Outcome {
        case stored
        /// The write failed and is to be tried again.
        case unsettled(String)
        /// A later owner, or a newer release, writes the ledgers now.
        case superseded
    }

    /// The maximum of writes under way at the same time.
    private static let putsMax = 128

    private var bucket: KeyValueBucket
    private let source: SourceName
    /// The revision that the next write has to follow. A partition without one has to be read
    /// first.
    private var revisions: [Partition: UInt64] = [:]
    /// The partitions whose ledgers a newer release wrote. These stay as they are.
    private var newer: Set<Partition> = []

    /// Opens the bucket, which exists because the source's record is in it.
    init(_ client: TapeClient, source: SourceName, timeout: Duration) throws(TapeError) {
        let name = client.names.sourceBucket
        do throws(JetStreamError) {
            guard
                let bucket = try client.jetStream.within(timeout).bucketAsFound(name)
            else {
                throw JetStreamError.refused(
                    operation: "look up bucket \(name)", code: 404, errorCode: 0,
                    description: "bucket not found")
            }
            self.bucket = bucket
        } catch {
            throw TapeError.jetStream(error)
        }
        self.source = source
    }

    /// Returns a copy for another thread, which uses `jetStream` for its calls.
    func asked(by jetStream: JetStream) -> GapStore {
        var other = self
        other.bucket = bucket.asked(by: jetStream)
        return other
    }

    /// The key of a partition's ledger.
    private func key(_ partition: Partition) -> String {
        "gateway.\(source).gaps.\(partition.number)"
    }

    struct Found {
        var ledgers: [Partition: PartitionLedger] = [:]
        /// Ledgers that cannot be read, with the reason. They are rebuilt from the tape.
        var refused: [(Partition, VersionedJSON.Refusal)] = []
    }

    /// Reads all ledgers.
    mutating func read(partitions: Int) throws(JetStreamError) -> Found {
        var found = Found()
        let present = Set(try bucket.keys(matching: "gateway.\(source).gaps.*").keys)
        let all = (0..<partitions).map { Partition($0) }
        for partition in all { revisions[partition] = 0 }
        let stored = all.filter { present.contains(key($0)) }
        for (partition, entry) in zip(stored, try bucket.get(all: stored.map(key))) {
            switch take(entry, of: partition) {
            case .success(let ledger)?: found.ledgers[partition] = ledger
            case .failure(let refusal)?: found.refused.append((partition, refusal))
            case nil: continue
            }
        }
        return found
    }

    /// Reads one ledger; `nil` when there is none.
    private mutating func read(
        _ partition: Partition
    ) throws(JetStreamError) -> Result<PartitionLedger, VersionedJSON.Refusal>? {
        take(try bucket.get(key(partition)), of: partition)
    }

    /// Takes what was read of one partition; `nil`: there is none.
    private mutating func take(
        _ entry: KeyValueEntry?, of partition: Partition
    ) -> Result<PartitionLedger, VersionedJSON.Refusal>? {
        newer.remove(partition)
        revisions[partition] = entry?.revision ?? 0
        guard let entry else { return nil }
        do throws(VersionedJSON.Refusal) {
            return .success(try PartitionLedger(json: entry.value))
        } catch {
            if error.isNewer { newer.insert(partition) }
            return .failure(error)
        }
    }

    /// Stores all the ledgers that it can, in one batch.
    mutating func write(
        _ ledgers: [Partition: PartitionLedger], time: Timestamp
    ) throws(JetStreamError) -> [Partition: Outcome] {
        var outcomes: [Partition: Outcome] = [:]
        var puts: [KeyValuePut] = []
        var places: [Partition] = []
        for (partition, ledger) in ledgers.sorted(by: { $0.key < $1.key }) {
            if revisions[partition] == nil,
                case .success(let standing)? = try read(partition),
                standing.position.lastOrdinal > ledger.position.lastOrdinal
            {
                outcomes[partition] = .superseded
                continue
            }
            if newer.contains(partition) {
                outcomes[partition] = .superseded
                continue
            }
            places.append(partition)
            puts.append(
                KeyValuePut(
                    key: key(partition), value: ledger.json(time: time),
                    expected: revisions[partition] ?? 0))
        }
        for start in stride(from: 0, to: puts.count, by: Self.putsMax) {
            let end = min(start + Self.putsMax, puts.count)
            for (offset, result) in bucket.put(all: Array(puts[start..<end])).enumerated() {
                outcomes[places[start + offset]] = settle(places[start + offset], result)
            }
        }
        return outcomes
    }

    private mutating func settle(
        _ partition: Partition, _ result: Result<KeyValueOutcome, JetStreamError>
    ) -> Outcome {
        switch result {
        case .success(.stored(let revision)):
            revisions[partition] = revision
            return .stored
        case .success(.conflict):
            revisions[partition] = nil
            return .unsettled("somebody else has written it")
        case .success(.unknown(let reason)):
            revisions[partition] = nil
            return .unsettled(reason)
        case .failure(let error):
            revisions[partition] = nil
            return .unsettled("\(error)")
        }
    }
}
