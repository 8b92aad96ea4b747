import MarketModel
import Membership
import NatsTransport
import Primitives
import ServiceRuntime
import TapeKeeping
import TapeTransport

/// The records in the bucket of groups, under keys that the store's user alone may write.
final class IntentBucket: IntentKeeper {
    private let client: TapeClient
    private let store: GroupName
    private var bucket: KeyValueBucket?

    /// `client` is that of the thread which calls it.
    init(_ client: TapeClient, of store: GroupName) {
        self.client = client
        self.store = store
    }

    /// Returns the key of a place.
    static func key(of place: SinkPlace, _ store: GroupName) -> String {
        "\(store).intents.\(place.input.rawValue).\(place.partition.number)"
    }

    func read(_ place: SinkPlace) throws(StoreError) -> (value: [UInt8]?, revision: UInt64) {
        do throws(TapeError) {
            let entry = try opened().entry(Self.key(of: place, store))
            return (entry?.value, entry?.revision ?? 0)
        } catch {
            throw Self.failed(error)
        }
    }

    func write(
        _ place: SinkPlace, _ value: [UInt8], after revision: UInt64
    ) throws(StoreError) -> UInt64? {
        do throws(TapeError) {
            switch try opened().store(Self.key(of: place, store), value, after: revision) {
            case .stored(let stored): return stored
            case .conflict: return nil
            case .unknown(let reason):
                throw TapeError.jetStream(
                    .malformed(operation: "store the record of intents", detail: reason))
            }
        } catch {
            throw Self.failed(error)
        }
    }

    /// Returns whether `tapeline store fill` or `dlq replay` has the store's lock, or has left in
    /// it the name of a row that may be there without being noted.
    func isFilling(at now: Timestamp) throws -> Bool {
        guard let value = try opened().entry("\(store).fill")?.value else { return false }
        let json = try VersionedJSON.read(value, upTo: 1)
        let until = Timestamp(nanoseconds: Int64(json["until_ns"]?.int ?? 0))
        return now < until || json["replayed"] != nil
    }

    private func opened() throws(TapeError) -> KeyValueBucket {
        if let bucket { return bucket }
        let opened = try client.jetStream.openOrMakeBucket(
            GroupRegistry.configuration(client.names))
        bucket = opened
        return opened
    }

    /// It is no fault of the store.
    private static func failed(_ error: TapeError) -> StoreError {
        .failed(StoreError.Failure(category: .retryable, cause: error))
    }
}
