package import MarketModel
package import NatsTransport
internal import Primitives
internal import TapeProtocol

/// The watchlist of one source in the bucket of sources, and beside it the report of the source's
/// active gateway. Every call blocks.
///
/// People write the watchlist, by compare-and-set, and the gateway reads it. The gateway writes the
/// report, and people read it.
package struct WatchlistStore: Sendable {
    private static let callTimeout = Duration.seconds(1)
    private static let reportKeys = "gateway.*.watchlist"

    package typealias Stored = StoredValue<Watchlist>

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

    package func read() throws(TapeError) -> Stored { try bucket.stored(key) }

    /// Stores the watchlist if nobody has written one since `before` was read.
    package func write(
        _ list: Watchlist, after before: Stored
    ) throws(TapeError) -> KeyValueOutcome {
        try bucket.store(key, list.json, after: before.revision)
    }

    // MARK: the report of the gateway

    /// Stores the report, whatever another gateway of the source has reported. Returns false when
    /// another one wrote at the same time, or the outcome is unknown.
    package func write(_ report: WatchlistReport) throws(TapeError) -> Bool {
        let revision = try bucket.entry(reportKey)?.revision ?? 0
        let value = report.json(bytesMax: bucket.configuration.valueBytesMax)
        if case .stored = try bucket.store(reportKey, value, after: revision) { return true }
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
}
