import MarketModel
import NatsTransport
import Primitives
import TapeProtocol
import TapeTransport

/// The ledgers of a source in the bucket of sources, one key per partition. One thread at a time;
/// every call blocks up to the timeout of the bucket.
///
/// All owners write the same there, as far as each of them has come: the one that has come further
/// is always right.
struct GapStore {
    enum Outcome {
        case stored
        /// To be tried again.
        case unsettled(String)
        /// A later owner writes it now.
        case superseded
    }

    /// Writes that are under way at once.
    private static let putsMax = 128

    private var bucket: KeyValueBucket
    private let source: SourceName
    /// The write that the next one follows; absent: it has to be read first.
    private var revisions: [Partition: UInt64] = [:]

    /// The bucket is there: the source's record is in it.
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

    /// The same for another thread, which it is handed to.
    func asked(by jetStream: JetStream) -> GapStore {
        var other = self
        other.bucket = bucket.asked(by: jetStream)
        return other
    }

    private func key(_ partition: Partition) -> String {
        "gateway.\(source).gaps.\(partition.number)"
    }

    struct Found {
        var ledgers: [Partition: PartitionLedger] = [:]
        /// What cannot be read: it is made again from the tape.
        var damages: [(Partition, String)] = []
    }

    mutating func read(partitions: Int) throws(JetStreamError) -> Found {
        var found = Found()
        let present = Set(try bucket.keys(matching: "gateway.\(source).gaps.*").keys)
        for number in 0..<partitions {
            let partition = Partition(number)
            revisions[partition] = 0
            guard present.contains(key(partition)) else { continue }
            switch try read(partition) {
            case .success(let ledger)?: found.ledgers[partition] = ledger
            case .failure(let damage)?: found.damages.append((partition, "\(damage)"))
            case nil: continue
            }
        }
        return found
    }

    private mutating func read(
        _ partition: Partition
    ) throws(JetStreamError) -> Result<PartitionLedger, PartitionLedger.Damaged>? {
        guard let entry = try bucket.get(key(partition)) else {
            revisions[partition] = 0
            return nil
        }
        revisions[partition] = entry.revision
        do throws(PartitionLedger.Damaged) {
            return .success(try PartitionLedger(json: entry.value))
        } catch {
            return .failure(error)
        }
    }

    /// Stores what it can, all at once.
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
