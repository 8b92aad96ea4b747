package import Primitives

/// One provider as its gateway reports it: the connection, the feeds, and the requests that wait.
package struct ProviderView: Equatable, Sendable {
    package struct Feed: Equatable, Sendable {
        package let symbol: String
        package let feed: String
        package let state: String
        package let reason: String
        /// The time of the next attempt. `nil` if it is not known or nothing is waited for.
        package let until: String?
        /// Its data come delayed, in a source of their own.
        package var isDelayed = false

        package var isLive: Bool { state == "live" || state == "done" }

        /// The state for people.
        package var title: String { isDelayed && state == "live" ? ProviderView.delayed : state }
    }

    /// A request that the broker's limits hold back.
    package struct Paced: Equatable, Sendable {
        package let request: String
        package let priority: String
        package let reason: String
        package let until: String?
    }

    /// A limit of the provider, and what waits for it.
    package struct Limit: Equatable, Sendable {
        package let name: String
        package let used: UInt64
        /// `nil` if the provider states none.
        package let max: UInt64?
        package let waiting: UInt64
        package let until: String?
        package let reason: String

        package init(_ said: JSONValue) {
            name = said["limit"]?.string ?? ""
            used = said["used"]?.uint64 ?? 0
            max = said["max"]?.uint64
            waiting = said["waiting"]?.uint64 ?? 0
            until = said["until"]?.string
            reason = said["reason"]?.string ?? ""
        }
    }

    /// A fact about a provider without a connection: name and value, as the provider reports them.
    package struct Remark: Equatable, Sendable {
        package let name: String
        package let value: String
    }

    package let name: String
    /// The state of the connection. `nil` if the provider has none.
    package var state: String?
    package var reason = ""
    package var since = ""
    package var nextAttempt: String?
    package var failedAttempts: UInt64 = 0
    package var serverVersion: UInt64?
    package var linesUsed: UInt64 = 0
    package var openOutages: UInt64 = 0
    package var waitingBackfills: UInt64 = 0
    package var feeds: [Feed] = []
    package var paced: [Paced] = []
    package var limits: [Limit] = []
    /// The group that its source waits for. `nil` if it does not wait.
    package var slowed: SlowedView?
    package var remarks: [Remark] = []

    /// Returns the providers in a gateway's `/status`. Empty for a gateway that makes its own
    /// ticks.
    package static func all(_ status: JSONValue) -> [ProviderView] {
        let members = status.at("gateway", "providers")?.members ?? []
        let slowed = status["gateway"].flatMap { SlowedView($0) }
        return members.map {
            var view = ProviderView($0.key, $0.value)
            view.slowed = slowed
            return view
        }
    }

    package init(_ name: String, _ said: JSONValue) {
        self.name = name
        limits = (said["limits"]?.array ?? []).map(Limit.init)
        guard let state = said["state"]?.string, said["instruments"]?.array != nil else {
            remarks = Self.remarks(said)
            return
        }
        self.state = state
        reason = said["reason"]?.string ?? ""
        since = said["since"]?.string ?? ""
        nextAttempt = said["next_attempt"]?.string
        failedAttempts = said["failed_attempts"]?.uint64 ?? 0
        serverVersion = said["server_version"]?.uint64
        linesUsed = said["lines_used"]?.uint64 ?? 0
        openOutages = said["open_outages"]?.uint64 ?? 0
        waitingBackfills = said["waiting_backfills"]?.uint64 ?? 0
        feeds = (said["instruments"]?.array ?? []).flatMap(Self.feeds)
        paced = (said["paced"]?.array ?? []).map {
            Paced(
                request: $0["request"]?.string ?? "", priority: $0["priority"]?.string ?? "",
                reason: $0["reason"]?.string ?? "", until: $0["until"]?.string)
        }
    }

    private static func feeds(of instrument: JSONValue) -> [Feed] {
        // A service that is polled names its series.
        let series = instrument["series"]?.string
        let symbol = instrument["symbol"]?.string ?? series ?? ""
        guard let feeds = instrument["feeds"]?.array else {
            // An instrument with a single feed has its state itself.
            guard let state = instrument["state"]?.string else { return [] }
            return [
                Feed(
                    symbol: symbol, feed: series == nil ? "trades" : "indicators", state: state,
                    reason: instrument["reason"]?.string ?? "", until: nil)
            ]
        }
        return feeds.map {
            Feed(
                symbol: symbol, feed: $0["feed"]?.string ?? "", state: $0["state"]?.string ?? "",
                reason: $0["reason"]?.string ?? "", until: $0["until"]?.string,
                isDelayed: $0["delayed"]?.bool ?? false)
        }
    }

    /// The state of a feed that delivers delayed data.
    package static let delayed = "delayed 15 min"

    private static func remarks(_ said: JSONValue) -> [Remark] {
        (said.members ?? []).compactMap { member in
            switch member.value {
            case .null, .array, .object: nil
            case .bool(let value): Remark(name: member.key, value: "\(value)")
            case .string(let value), .number(let value):
                value.isEmpty ? nil : Remark(name: member.key, value: value)
            }
        }
    }

    private static let ready = "ready"
    /// A connection that delivers, and is being replaced by another one.
    private static let renewing = "renewing"
    /// The last request to a service that is polled succeeded.
    private static let good = "good"

    /// True of one of several providers to which no instrument has been given: it connects when it
    /// has to stand in for another.
    package var standsBy: Bool {
        state == "closed" && feeds.isEmpty && reason.isEmpty && failedAttempts == 0
            && nextAttempt == nil
    }

    /// A provider without a connection, or without a need for one, counts as connected.
    package var isConnected: Bool {
        guard let state, !standsBy else { return true }
        return [Self.ready, Self.renewing, Self.good].contains(state)
    }

    /// True if at least one feed delivers, or if there are no feeds.
    package var delivers: Bool { feeds.isEmpty || feeds.contains(where: \.isLive) }

    /// True if it is connected, every feed delivers, and no gap waits to be filled.
    package var isWhole: Bool {
        guard let state, !standsBy else { return true }
        return [Self.ready, Self.good].contains(state) && openOutages == 0
            && waitingBackfills == 0 && feeds.allSatisfy(\.isLive)
    }

    /// The number of feeds in each state, those that deliver first.
    package var feedCounts: [(state: String, count: Int)] {
        let counts = Dictionary(grouping: feeds, by: \.title).mapValues(\.count)
        return counts.map { (state: $0.key, count: $0.value) }.sorted {
            ($0.state == "live" ? 0 : 1, $0.state) < ($1.state == "live" ? 0 : 1, $1.state)
        }
    }
}
