import Primitives

/// What a gateway says of one source: whether it takes its ticks, and how old the newest ones are.
struct FeedPage: Equatable, Sendable {
    struct Instrument: Equatable, Sendable {
        let symbol: String
        /// Seconds since its newest tick. `nil`: none came since the gateway took the source.
        let age: Double?
    }

    /// The instruments whose newest tick is not older, and older than the entry before allows.
    struct Age: Equatable, Sendable {
        let seconds: Int
        let instruments: UInt64
    }

    /// How old the newest ticks are, of all instruments.
    struct Newest: Equatable, Sendable {
        var instruments: UInt64 = 0
        var never: UInt64 = 0
        var ages: [Age] = []
        /// Those without a tick, then the oldest. All others are newer than these.
        var oldest: [Instrument] = []

        /// The instruments that are older than all of `ages`.
        var older: UInt64 {
            let younger = ages.reduce(never) { $0 &+ $1.instruments }
            return instruments > younger ? instruments - younger : 0
        }

        /// The least of `ages` within which a tick came. `nil`: none did.
        var within: Int? { ages.first { $0.instruments > 0 }?.seconds }
    }

    /// The most of one page that are read.
    static let instrumentsMax = 512
    static let agesMax = 8

    let source: String
    let role: String
    /// The providers by configuration. Some have no state of their own.
    let providers: [String]
    let isFinished: Bool
    /// `nil` unless it takes ticks.
    let newest: Newest?

    var isActive: Bool { role == "active" }

    /// Reads the section "gateway" of `/status`, with the source of delayed data in it.
    static func all(_ status: JSONValue) -> [FeedPage] {
        guard let gateway = status["gateway"] else { return [] }
        return [gateway, gateway["delayed"]].compactMap { $0.flatMap(FeedPage.init) }
    }

    private init?(_ gateway: JSONValue) {
        guard let source = gateway["source"]?.string else { return nil }
        self.source = source
        role = gateway["role"]?.string ?? ""
        let named = gateway["provider"]?.string ?? ""
        providers = named.split(separator: ",").map(String.init)
        isFinished = gateway["finished"]?.bool ?? false
        newest = gateway["newest"].map(Newest.init)
    }
}

extension FeedPage.Newest {
    fileprivate init(_ said: JSONValue) {
        instruments = said["instruments"]?.uint64 ?? 0
        never = said["never"]?.uint64 ?? 0
        ages = (said["ages"]?.array ?? []).prefix(FeedPage.agesMax).compactMap { item in
            item["seconds"]?.int.map {
                FeedPage.Age(seconds: $0, instruments: item["instruments"]?.uint64 ?? 0)
            }
        }
        oldest = (said["oldest"]?.array ?? []).prefix(FeedPage.instrumentsMax).compactMap { item in
            item["symbol"]?.string.map {
                FeedPage.Instrument(symbol: $0, age: item["age_seconds"]?.double)
            }
        }
    }
}
