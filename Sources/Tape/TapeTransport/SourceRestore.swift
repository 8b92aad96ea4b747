package import MarketModel
internal import NatsTransport
package import Primitives

/// Raises a source's record to what a database has of it, for a tape that is new: before the
/// source's gateway starts, which continues after the record. Every call blocks.
package struct SourceRestore {
    /// How often a write is tried while somebody else writes the record.
    private static let triesMax = 8

    private var stored: StoredSourceRecord

    /// Reads the stored record. Throws when it cannot be read, or is refused: a damaged record may
    /// hold higher numbers than the database.
    package init(_ client: TapeClient, of source: SourceName) throws(TapeError) {
        let bucket = try client.jetStream.openOrMakeBucket(client.names.sourceBucketConfiguration)
        stored = StoredSourceRecord(bucket, source: source)
        do throws(JetStreamError) {
            refusal = try stored.read()
        } catch {
            throw .jetStream(error)
        }
    }

    /// Why the stored record is not used; `nil` when it is, or when there is none.
    package private(set) var refusal: VersionedJSON.Refusal?

    /// What the record says now; empty when there is none.
    package var record: SourceRecord { stored.record }

    /// Returns whether a write is needed, so that the record has at least these numbers.
    package func isBelow(_ wanted: SourceRecord) -> Bool {
        wanted.heads.contains { lane, head in
            guard let known = record.heads[lane] else { return true }
            return known.epoch < head.epoch || known.lastOrdinal < head.lastOrdinal
        }
    }

    /// Writes the record with at least these numbers. Returns why it was not written; `nil` when it
    /// was. Nothing of the record falls.
    package mutating func raise(
        to wanted: SourceRecord, at time: Timestamp
    ) throws(TapeError) -> String? {
        var reason = "somebody else writes it"
        do throws(JetStreamError) {
            for _ in 0..<Self.triesMax {
                var next = record
                next.rise(to: wanted)
                next.time = time
                switch try stored.write(next) {
                case .stored: return nil
                case .superseded: return "a later owner, or a newer release, writes it"
                case .unsettled(let problem):
                    reason = problem
                    refusal = try stored.read()
                    if let refusal { return "\(refusal)" }
                    if !isBelow(wanted) { return nil }
                }
            }
            return reason
        } catch {
            throw .jetStream(error)
        }
    }
}
