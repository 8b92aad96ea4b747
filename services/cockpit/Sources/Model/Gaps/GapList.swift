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

    /// What of today's ticks and bars nothing will fill any more, in words. `nil`: nothing.
    var lostToday: String? {
        let lost = gaps.filter { GapOutlook($0) == .never }.map {
            LostTicks.Gap(
                symbol: $0.symbol, kind: $0.kind, from: $0.from, to: $0.to, notedAt: $0.notedAt)
        }
        // Older ones of today may not be listed.
        let isCut = (counts["abandoned"] ?? 0) > UInt64(Self.rowsOfStateMax)
        return LostTicks.words(lost, since: dayStart, isCut: isCut)
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
