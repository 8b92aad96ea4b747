internal import MarketModel
internal import NatsTransport
internal import Primitives
internal import TapeProtocol

/// The watchlist of one source in the bucket of sources, and beside it the report of the source's
/// active gateway. Every call blocks.
///
/// People write the watchlist, by compare-and-set, and the gateway reads it. The gateway writes the
/// report, and people read it.
package typealias WatchlistStore = SourceValueStore<Watchlist>

extension SourceValueStore<Watchlist> {
    private static var reportKeys: String { "gateway.*.watchlist" }
    private var reportKey: String { "gateway.\(source).watchlist" }

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
                let bucket = try client.jetStream.within(sourceCallTimeout)
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
