import DeploymentWatch

/// The stretches of time of which ticks are missing, as the database has them.
struct GapList: Equatable, Sendable {
    /// The most that are read of each state: the newest.
    static let rowsOfStateMax = 250
    /// The state of ordinals that the books name as missing.
    static let books = "books"

    struct Gap: Equatable, Sendable {
        /// `nil`: all symbols of the source in one partition.
        let symbol: String?
        let kind: String
        let source: String
        /// `open`, `filling`, `abandoned` or `books`.
        let state: String
        let reason: String
        let detail: String
        /// Seconds since 1970.
        let from: Double
        /// `nil` while it lasts.
        let to: Double?
        let notedAt: Double?
    }

    var gaps: [Gap] = []
    /// The number of all, by state. More than are listed may be there.
    var counts: [String: UInt64] = [:]
    /// The beginning of the database's day in UTC, in seconds since 1970.
    var dayStart = 0.0

    /// The gaps of which something may still come.
    var open: UInt64 { (counts["open"] ?? 0) &+ (counts["filling"] ?? 0) }

    /// The kinds of ticks and bars, with their words. A gap of others, like indicators, loses none.
    private static let counted = [
        ("trade", "trades"), ("quote", "quotes"), ("depth", "depth"),
        ("provider_bar", "provider bars"),
    ]

    /// What of today's ticks and bars nothing will fill any more, in words: "26 s of trades and
    /// quotes of 4 symbols". `nil`: nothing.
    var lostToday: String? {
        let lost = gaps.filter { gap in
            GapOutlook(gap) == .never && (gap.to ?? .infinity) > max(dayStart, gap.from)
                && Self.counted.contains { $0.0 == gap.kind }
        }
        guard !lost.isEmpty else { return nil }
        let kinds = Self.counted.filter { kind in lost.contains { $0.kind == kind.0 } }.map(\.1)
        // Time that several gaps have counts once. They come with the newest first.
        var (seconds, end) = (0.0, dayStart)
        for gap in lost.sorted(by: { $0.from < $1.from }) {
            let to = gap.to ?? gap.notedAt ?? gap.from
            seconds += max(0, to - max(end, gap.from))
            end = max(end, to)
        }
        let symbols = Set(lost.compactMap(\.symbol)).count
        let isWhole = lost.contains { $0.symbol == nil }
        let names = symbols == 1 ? "1 symbol" : "\(symbols) symbols"
        let what = symbols == 0 ? "whole partitions" : names + (isWhole ? " and more" : "")
        // Older ones of today may not be listed.
        let isCut = (counts["abandoned"] ?? 0) > UInt64(Self.rowsOfStateMax)
        return "\(isCut ? "at least " : "")\(SpanText.short(seconds)) of "
            + "\(kinds.joined(separator: " and ")) of \(what)"
    }
}

/// What will become of a gap.
enum GapOutlook: String, Sendable {
    /// The feed is away, so more is missing every second.
    case lasts
    /// The provider's history is asked for it, as soon as its limits allow that.
    case waits
    case filling
    case never
    /// Another store may have it.
    case elsewhere

    init(_ gap: GapList.Gap) {
        switch gap.state {
        case "abandoned": self = .never
        case "filling": self = .filling
        case GapList.books: self = .elsewhere
        // An unknown state is one of a later release: nothing is known to come.
        case "open": self = gap.to == nil ? .lasts : .waits
        case _: self = .never
        }
    }

    /// The sentence for people.
    func words(_ gap: GapList.Gap, _ wait: ProviderWait?) -> String {
        switch self {
        case .lasts:
            return "lasts: nothing can be filled before the feed is back"
                + (wait?.nextAttempt.map { "; the next try to connect is at \(TimeText.short($0))" }
                    ?? "")
        case .waits:
            guard let wait else { return "will be filled when its gateway asks for history" }
            let until = wait.until.map { ", not before \(TimeText.short($0))" } ?? ""
            return "will be filled from history\(until): \(wait.waiting) requests wait"
        case .filling: return "is being filled from history now"
        case .elsewhere:
            return "\(gap.detail): 'tapeline store fill' copies what another store has"
        case .never:
            return "never: " + (gap.detail.isEmpty ? "no provider has it" : gap.detail)
        }
    }
}

/// What keeps a source's provider from filling gaps, by the page of its gateway.
struct ProviderWait: Equatable, Sendable {
    var waiting: UInt64 = 0
    /// When its limits allow the next request.
    var until: String?
    /// When it tries to connect again.
    var nextAttempt: String?

    /// By source.
    static func all(_ services: [Sighting.Service]) -> [String: ProviderWait] {
        var waits: [String: ProviderWait] = [:]
        for service in services where !service.source.isEmpty {
            var wait = waits[service.source] ?? ProviderWait()
            for provider in service.providers {
                wait.waiting &+= provider.waitingBackfills
                wait.nextAttempt = wait.nextAttempt ?? provider.nextAttempt
                let times = provider.paced.compactMap(\.until) + provider.limits.compactMap(\.until)
                wait.until = ([wait.until].compactMap { $0 } + times).min()
            }
            waits[service.source] = wait
        }
        return waits
    }
}
