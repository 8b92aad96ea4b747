internal import MarketModel
internal import NatsTransport
internal import Primitives
internal import TapeProtocol

/// A source's record in its bucket: read once, then written by compare-and-set. One thread may use
/// it at a time; every call blocks up to the timeout of the bucket.
struct StoredSourceRecord {
    private var bucket: KeyValueBucket
    private let key: String
    /// The stored record, including what this owner has written.
    private(set) var record = SourceRecord()
    /// The revision that the next write must follow; `nil`: the record has to be read first.
    private var revision: UInt64?
    /// A newer release wrote the stored record, which stays as it is.
    private var isNewer = false

    enum Outcome: Equatable {
        case stored
        /// Another process wrote at the same time, or the outcome is unknown. The write has to be
        /// tried again.
        case unsettled(String)
        /// A later owner, or a newer release, writes the record now.
        case superseded
    }

    init(_ bucket: KeyValueBucket, source: SourceName) {
        self.bucket = bucket
        key = "gateway.\(source).record"
    }

    /// Returns a copy for the thread that it is handed to.
    func asked(by jetStream: JetStream) -> StoredSourceRecord {
        var other = self
        other.bucket = bucket.asked(by: jetStream)
        return other
    }

    /// Reads the stored record, which is used from now on. If it is refused, it is not used, and
    /// the reason is returned; else `nil`. A damaged record will be overwritten, one of a newer
    /// release will not.
    mutating func read() throws(JetStreamError) -> VersionedJSON.Refusal? {
        isNewer = false
        guard let entry = try bucket.get(key) else {
            revision = 0
            return nil
        }
        revision = entry.revision
        do throws(VersionedJSON.Refusal) {
            record.rise(to: try SourceRecord(json: entry.value))
            return nil
        } catch {
            isNewer = error.isNewer
            return error
        }
    }

    /// Writes the record, if no later owner has written.
    mutating func write(_ present: SourceRecord) throws(JetStreamError) -> Outcome {
        if revision == nil {
            var standing = StoredSourceRecord(self)
            _ = try standing.read()
            if present.isBehind(standing.record) { return .superseded }
            self = standing
        }
        if isNewer { return .superseded }
        var next = record
        next.rise(to: present)
        next.time = present.time
        switch try bucket.put(key, next.json, after: revision ?? 0) {
        case .stored(let written):
            revision = written
            record = next
            return .stored
        case .conflict:
            revision = nil
            return .unsettled("somebody else has written it")
        case .unknown(let reason):
            revision = nil
            return .unsettled(reason)
        }
    }

    /// The same place, with nothing known about its content.
    private init(_ other: StoredSourceRecord) {
        bucket = other.bucket
        key = other.key
    }
}
