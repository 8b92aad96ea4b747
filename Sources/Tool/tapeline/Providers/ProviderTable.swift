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
        let rows = provider.feeds.filter { !$0.isLive }
        guard !rows.isEmpty else { return [] }
        let symbols = max(8, rows.map(\.symbol.count).max() ?? 0)
        let head =
            "  \("SYMBOL".padded(to: symbols)) \("FEED".padded(to: 13)) "
            + "\("STATE".padded(to: 17)) \("TRIED AGAIN".padded(to: 20)) WHY"
        let shown = rows.prefix(Self.feedsMax).map { row in
            "  \(row.symbol.padded(to: symbols)) \(row.feed.padded(to: 13)) "
                + "\(row.state.padded(to: 17)) "
                + "\((row.until.map(Self.time) ?? "-").padded(to: 20)) \(row.reason)"
        }
        return [head] + shown + Self.rest(rows.count, Self.feedsMax, "feeds")
    }

    private func slowed(_ provider: ProviderView) -> [String] {
        guard let slowed = provider.slowed else { return [] }
        return ["  \(slowed.text) since \(Self.time(slowed.since))"]
    }

    private func limits(_ provider: ProviderView) -> [String] {
        guard !provider.limits.isEmpty else { return [] }
        let head =
            "  \("LIMIT".padded(to: 14)) \("USED".padded(to: 7)) \("MAX".padded(to: 7)) "
            + "\("WAITING".padded(to: 8)) \("UNTIL".padded(to: 20)) WHY"
        return [head]
            + provider.limits.map { row in
                "  \(row.name.padded(to: 14)) \("\(row.used)".padded(to: 7)) "
                    + "\((row.max.map { "\($0)" } ?? "-").padded(to: 7)) "
                    + "\("\(row.waiting)".padded(to: 8)) "
                    + "\((row.until.map(Self.time) ?? "-").padded(to: 20)) "
                    + (row.reason.isEmpty ? "-" : row.reason)
            }
    }

    private func paced(_ provider: ProviderView) -> [String] {
        guard !provider.paced.isEmpty else { return [] }
        let width = max(26, provider.paced.map(\.request.count).max() ?? 0)
        let head =
            "  \("WAITS FOR ITS TURN".padded(to: width)) \("PRIORITY".padded(to: 9)) "
            + "\("UNTIL".padded(to: 20)) WHY"
        let shown = provider.paced.prefix(Self.pacedMax).map { row in
            "  \(row.request.padded(to: width)) \(row.priority.padded(to: 9)) "
                + "\((row.until.map(Self.time) ?? "-").padded(to: 20)) \(row.reason)"
        }
        return [head] + shown + Self.rest(provider.paced.count, Self.pacedMax, "requests")
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
            return write(provider.limits, &json)
        }
        json.member("state", state)
        json.member("reason", provider.reason)
        json.member("since", provider.since)
        write("nextAttempt", provider.nextAttempt, &json)
        json.member("failedAttempts", provider.failedAttempts)
        if let version = provider.serverVersion { json.member("serverVersion", version) }
        json.member("linesUsed", provider.linesUsed)
        json.member("openGaps", provider.openOutages)
        json.member("gapsToFill", provider.waitingBackfills)
        json.member(
            "feeds",
            object: { json in
                for (state, count) in provider.feedCounts { json.member(state, count) }
            })
        json.member(
            "live",
            array: { json in
                for feed in provider.feeds where feed.isLive {
                    json.object { json in
                        json.member("symbol", feed.symbol)
                        json.member("feed", feed.feed)
                        json.member("delayed", feed.isDelayed)
                    }
                }
            })
        json.member(
            "notLive",
            array: { json in
                for feed in provider.feeds where !feed.isLive {
                    json.object { json in
                        json.member("symbol", feed.symbol)
                        json.member("feed", feed.feed)
                        json.member("state", feed.state)
                        json.member("reason", feed.reason)
                        write("until", feed.until, &json)
                    }
                }
            })
        json.member(
            "waiting",
            array: { json in
                for waiting in provider.paced {
                    json.object { json in
                        json.member("request", waiting.request)
                        json.member("priority", waiting.priority)
                        json.member("reason", waiting.reason)
                        write("until", waiting.until, &json)
                    }
                }
            })
        write(provider.limits, &json)
    }

    private static func write(_ limits: [ProviderView.Limit], _ json: inout JSONWriter) {
        json.member(
            "limits",
            array: { json in
                for limit in limits {
                    json.object { json in
                        json.member("limit", limit.name)
                        json.member("used", limit.used)
                        json.key("max")
                        if let max = limit.max { json.value(max) } else { json.null() }
                        json.member("waiting", limit.waiting)
                        write("until", limit.until, &json)
                        json.member("reason", limit.reason)
                    }
                }
            })
    }

    private static func write(_ name: String, _ value: String?, _ json: inout JSONWriter) {
        json.key(name)
        if let value { json.value(value) } else { json.null() }
    }
}
