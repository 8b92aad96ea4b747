import DeploymentWatch
import Primitives

/// Providers as text: a line for each, then the feeds that do not deliver, the provider's limits,
/// and the requests that wait for those of a broker.
struct ProviderTable {
    /// The maximum number of rows of each table. The number of further ones is printed.
    static let feedsMax = 20
    static let pacedMax = 10

    let providers: [ProviderView]

    var lines: [String] {
        providers.flatMap {
            [Self.sentence($0)] + slowed($0) + live($0) + feeds($0) + limits($0) + paced($0)
        }
    }

    // MARK: one line

    static func sentence(_ provider: ProviderView) -> String {
        guard let state = provider.state else {
            let said = provider.remarks.map { "\($0.name) \($0.value)" }.joined(separator: ", ")
            return "\(provider.name): \(said)"
        }
        guard !provider.standsBy else {
            return "\(provider.name): stands by; no instrument is requested from it"
        }
        let isBroker = provider.name == SimulatedVenue.ibkr.rawValue
        var text = "\(provider.name): \(words(state, isBroker ? "TWS" : "its server"))"
        if !provider.since.isEmpty { text += " since \(time(provider.since))" }
        if !provider.reason.isEmpty { text += " (\(provider.reason))" }
        if let next = provider.nextAttempt {
            let failed = provider.failedAttempts
            text += failed > 0 ? "; \(counted(failed, "attempt")) failed" : ""
            text += "; it tries again at \(time(next))"
        }
        let counts = provider.feedCounts.map { "\($0.count) \($0.state)" }.joined(separator: ", ")
        text += "; feeds: \(counts.isEmpty ? "none" : counts)"
        if isBroker { text += "; \(counted(provider.linesUsed, "line")) in use" }
        if provider.openOutages > 0 { text += "; \(counted(provider.openOutages, "open gap"))" }
        if provider.waitingBackfills > 0 {
            text += "; \(counted(provider.waitingBackfills, "gap")) to be filled in"
        }
        return text
    }

    private static func words(_ state: String, _ peer: String) -> String {
        switch state {
        case "ready": "connected to \(peer)"
        case "renewing": "connected to \(peer), by two connections"
        case "good": "answers"
        case "failing": "DOES NOT ANSWER"
        case "refused": "DOES NOT TAKE the key"
        case "closed": "NOT CONNECTED to \(peer)"
        case "connecting": "connecting to \(peer)"
        case "server-lost": "TWS HAS LOST the broker's servers"
        case "farm-down": "A DATA FARM of the broker IS DOWN"
        case "silent": "FEEDS ARE SILENT in trading hours"
        case "competing": "ANOTHER SESSION of the same user has the data"
        default: state
        }
    }

    private static func counted(_ count: UInt64, _ noun: String) -> String {
        "\(count) \(noun)\(count == 1 ? "" : "s")"
    }

    /// Returns the time to the second.
    private static func time(_ text: String) -> String {
        text.count > 20 && text.hasSuffix("Z") ? "\(text.prefix(19))Z" : text
    }

    // MARK: tables

    /// Returns a table of the feeds that deliver, by symbol.
    private func live(_ provider: ProviderView) -> [String] {
        let feeds = Dictionary(grouping: provider.feeds.filter(\.isLive), by: \.symbol)
        guard !feeds.isEmpty else { return [] }
        let symbols = feeds.keys.sorted()
        let shown = symbols.prefix(Self.feedsMax).map { symbol in
            let names = (feeds[symbol] ?? []).map {
                $0.isDelayed ? "\($0.feed) \(ProviderView.delayed)" : $0.feed
            }
            return "\(symbol) (\(names.joined(separator: ", ")))"
        }
        let rest = symbols.count > shown.count ? ", and \(symbols.count - shown.count) more" : ""
        return ["  delivers: \(shown.joined(separator: ", "))\(rest)"]
    }

    private func feeds(_ provider: ProviderView) -> [String] {
        let rows = Self.notLive(provider)
        return rows.first(Self.feedsMax).table.map { "  \($0)" }
            + Self.rest(rows.rows.count, Self.feedsMax, "feeds")
    }

    /// The feeds that do not deliver.
    private static func notLive(_ provider: ProviderView) -> ReportRows<ProviderView.Feed> {
        ReportRows(
            provider.feeds.filter { !$0.isLive },
            [
                ReportColumn("SYMBOL", "symbol") { .text($0.symbol) },
                ReportColumn("FEED", "feed") { .text($0.feed) },
                ReportColumn("STATE", "state") { .text($0.state) },
                ReportColumn("TRIED AGAIN", "until", shown: { time($0.until) }) { until($0.until) },
                ReportColumn("WHY", "reason") { .text($0.reason) },
            ])
    }

    /// The provider's limits.
    private static func limits(_ provider: ProviderView) -> ReportRows<ProviderView.Limit> {
        ReportRows(
            provider.limits,
            [
                ReportColumn("LIMIT", "limit") { .text($0.name) },
                ReportColumn("USED", "used") { .number($0.used) },
                ReportColumn("MAX", "max") { $0.max.map { ReportValue.number($0) } ?? .unknown },
                ReportColumn("WAITING", "waiting") { .number($0.waiting) },
                ReportColumn("UNTIL", "until", shown: { time($0.until) }) { until($0.until) },
                ReportColumn("WHY", "reason") { .text($0.reason) },
            ])
    }

    /// The requests that wait for those of a broker.
    private static func waiting(_ provider: ProviderView) -> ReportRows<ProviderView.Paced> {
        ReportRows(
            provider.paced,
            [
                ReportColumn("WAITS FOR ITS TURN", "request") { .text($0.request) },
                ReportColumn("PRIORITY", "priority") { .text($0.priority) },
                ReportColumn("UNTIL", "until", shown: { time($0.until) }) { until($0.until) },
                ReportColumn("WHY", "reason") { .text($0.reason) },
            ])
    }

    private static func until(_ time: String?) -> ReportValue {
        time.map { ReportValue.text($0) } ?? .unknown
    }

    private static func time(_ text: String?) -> String { text.map { time($0) } ?? "-" }

    private func slowed(_ provider: ProviderView) -> [String] {
        guard let slowed = provider.slowed else { return [] }
        return ["  \(slowed.text) since \(Self.time(slowed.since))"]
    }

    private func limits(_ provider: ProviderView) -> [String] {
        Self.limits(provider).table.map { "  \($0)" }
    }

    private func paced(_ provider: ProviderView) -> [String] {
        let rows = Self.waiting(provider)
        return rows.first(Self.pacedMax).table.map { "  \($0)" }
            + Self.rest(rows.rows.count, Self.pacedMax, "requests")
    }

    private static func rest(_ count: Int, _ shown: Int, _ what: String) -> [String] {
        count > shown ? ["  and \(count - shown) more \(what): see /status of the gateway"] : []
    }

    // MARK: JSON

    func write(into json: inout JSONWriter) {
        for provider in providers { json.object { Self.write(provider, &$0) } }
    }

    private static func write(_ provider: ProviderView, _ json: inout JSONWriter) {
        json.member("name", provider.name)
        json.key("slowed")
        if let slowed = provider.slowed { slowed.write(into: &json) } else { json.null() }
        guard let state = provider.state else {
            for remark in provider.remarks { json.member(remark.name, remark.value) }
            return json.member("limits", rows: limits(provider))
        }
        json.member("state", state)
        json.member("reason", provider.reason)
        json.member("since", provider.since)
        json.member("nextAttempt", orNull: provider.nextAttempt)
        json.member("failedAttempts", provider.failedAttempts)
        if let version = provider.serverVersion { json.member("serverVersion", version) }
        json.member("linesUsed", provider.linesUsed)
        json.member("openGaps", provider.openOutages)
        json.member("gapsToFill", provider.waitingBackfills)
        json.object("feeds") { json in
            for (state, count) in provider.feedCounts { json.member(state, count) }
        }
        json.member("live", each: provider.feeds.filter { $0.isLive }) { feed, json in
            json.member("symbol", feed.symbol)
            json.member("feed", feed.feed)
            json.member("delayed", feed.isDelayed)
        }
        json.member("notLive", rows: notLive(provider))
        json.member("waiting", rows: waiting(provider))
        json.member("limits", rows: limits(provider))
    }
}
