package import MarketModel
package import NatsTransport
package import Primitives
internal import TapeProtocol

/// The watchlist of one source in the bucket of sources, and beside it the report of the source's
/// active gateway. Every call blocks.
///
/// People write the watchlist, by compare-and-set, and the gateway reads it. The gateway writes the
/// report, and people read it.
package struct WatchlistStore: Sendable {
    private static let callTimeout = Duration.seconds(1)
    private static let reportKeys = "gateway.*.watchlist"

    /// What is stored of a watchlist.
    package struct Stored: Equatable, Sendable {
        /// Empty when nothing is stored, or when `refusal` says why it cannot be read.
        package var list = Watchlist()
        /// The bucket's number of its last write, which the next write has to expect; 0: none.
        package var revision: UInt64 = 0
        package var refusal: VersionedJSON.Refusal?

        package init() {}
    }

    private let bucket: KeyValueBucket
    package let source: SourceName

    /// The key of the watchlist.
    package var key: String { "watchlist.\(source).wanted" }
    private var reportKey: String { "gateway.\(source).watchlist" }

    /// Opens the bucket. On a server without users it is made if it is missing.
    package init(_ client: TapeClient, _ source: SourceName) throws(TapeError) {
        bucket = try client.jetStream.within(Self.callTimeout)
            .openOrMakeBucket(client.names.sourceBucketConfiguration)
        self.source = source
    }

    package func read() throws(TapeError) -> Stored {
        var stored = Stored()
        guard let entry = try get(key) else { return stored }
        stored.revision = entry.revision
        do throws(VersionedJSON.Refusal) {
            stored.list = try Watchlist(json: entry.value)
        } catch {
            stored.refusal = error
        }
        return stored
    }

    /// Stores the watchlist if nobody has written one since `before` was read.
    package func write(
        _ list: Watchlist, after before: Stored
    ) throws(TapeError) -> KeyValueOutcome {
        try put(key, list.json, before.revision)
    }

    // MARK: the report of the gateway

    /// Stores the report, whatever another gateway of the source has reported. Returns false when
    /// another one wrote at the same time, or the outcome is unknown.
    package func write(_ report: WatchlistReport) throws(TapeError) -> Bool {
        let standing = try get(reportKey)
        let value = report.json(bytesMax: bucket.configuration.valueBytesMax)
        if case .stored = try put(reportKey, value, standing?.revision ?? 0) { return true }
        return false
    }

    /// Returns the reports of all sources, in order of their names, and why others cannot be read.
    package static func reports(
        _ client: TapeClient
    ) throws(TapeError) -> (reports: [WatchlistReport], refused: [String]) {
        do throws(JetStreamError) {
            guard
                let bucket = try client.jetStream.within(callTimeout)
                    .openBucket(client.names.sourceBucketConfiguration)
            else { return ([], []) }
            var reports: [WatchlistReport] = []
            var refused: [String] = []
            for entry in try bucket.entries(matching: reportKeys).entries {
                do throws(VersionedJSON.Refusal) {
                    reports.append(try WatchlistReport(json: entry.value))
                } catch {
                    refused.append("\(entry.key): \(error)")
                }
            }
            return (reports.sorted { $0.source < $1.source }, refused)
        } catch {
            throw TapeError(making: error)
        }
    }

    // MARK: parts

    private func get(_ key: String) throws(TapeError) -> KeyValueEntry? {
        do throws(JetStreamError) {
            return try bucket.get(key)
        } catch {
            throw .jetStream(error)
        }
    }

    private func put(
        _ key: String, _ value: [UInt8], _ expected: UInt64
    ) throws(TapeError) -> KeyValueOutcome {
        do throws(JetStreamError) {
            // A deleted key has a marker, which `create` follows.
            return expected == 0
                ? try bucket.create(key, value) : try bucket.put(key, value, expected: expected)
        } catch {
            throw .jetStream(error)
        }
    }
}
