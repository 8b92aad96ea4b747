/// Compares the broker's trades with the stored ones. Each must be stored as often as it happened,
/// unless a recorded gap covers it. Pure.
struct BrokerAudit: Sendable {
    /// A gap of trades, as a row of `gaps` describes it. A gap that was filled is reported in
    /// parts.
    struct Gap: Equatable, Sendable {
        /// `nil` means all symbols.
        let symbol: String?
        let seconds: Range<Int64>
        let state: String
    }

    /// Complete seconds, from the first one recorded completely to the market's last one.
    var seconds: Range<Int64>
    var sent: BrokerPrint.Counts
    var market: BrokerPrint.Counts
    var stored: BrokerPrint.Counts
    /// The first trade of each subscription. It may repeat an older one, so no bar counts it.
    var snapshots: BrokerPrint.Counts = [:]
    var gaps: [Gap]

    private static let shownMax = 3

    func add(to report: inout AuditReport) {
        let live = missing(of: sent, counting: snapshots)
        let total = sent.values.reduce(0, +)
        report.add(
            "sent", "trades that the broker sent are stored, or lie in a gap on record",
            expected: UInt64(total), found: UInt64(total - live.count), detail: live.detail)
        // Trades of the market that were not sent while they happened.
        let unsent = market.filter { $0.key.isIn(seconds) }.reduce(into: 0) { sum, entry in
            sum += max(0, entry.value - sent[entry.key, default: 0])
        }
        let lost = missing(of: market.filter { $0.key.isIn(seconds) })
        report.add(
            "filled_in", "trades that it could not send were filled in, or lie in a gap on record",
            expected: UInt64(unsent), found: UInt64(max(0, unsent - lost.count)),
            detail: lost.detail)
        let strangers = strangers
        report.add(
            "strangers", "stored trades that never happened, or are there too often", expected: 0,
            found: UInt64(strangers.count), detail: strangers.detail)
    }

    private func missing(
        of wanted: BrokerPrint.Counts, counting others: BrokerPrint.Counts = [:]
    ) -> (count: Int, detail: String) {
        var count = 0
        var shown: [String] = []
        for (print, times) in wanted {
            let lack = times - stored[print, default: 0] - others[print, default: 0]
            guard lack > 0, !isExcused(print) else { continue }
            count += lack
            if shown.count < Self.shownMax { shown.append("\(print.text) is missing") }
        }
        return (count, shown.joined(separator: ", "))
    }

    private var strangers: (count: Int, detail: String) {
        var count = 0
        var shown: [String] = []
        for (print, times) in stored where print.isIn(seconds) {
            let more = times - market[print, default: 0]
            guard more > 0 else { continue }
            count += more
            if shown.count < Self.shownMax { shown.append("\(print.text) \(times) times") }
        }
        return (count, shown.joined(separator: ", "))
    }

    /// A gap that was given up excuses every trade in it. An open gap, or one being filled, excuses
    /// the trades outside its filled parts.
    private func isExcused(_ print: BrokerPrint) -> Bool {
        let around = gaps.filter {
            ($0.symbol == nil || $0.symbol == print.symbol) && $0.seconds.contains(print.second)
        }
        if around.contains(where: { $0.state == "abandoned" }) { return true }
        return !around.isEmpty && !around.contains { $0.state == "filled" }
    }
}

extension BrokerPrint {
    fileprivate var text: String { "\(symbol) \(size) at \(price) in second \(second)" }

    fileprivate func isIn(_ seconds: Range<Int64>) -> Bool { seconds.contains(second) }
}
