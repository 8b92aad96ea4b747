package import EngineKit
internal import Primitives

/// The engine's settings. Spans are nanoseconds.
package struct MassiveSettings: Sendable {
    package var feed: MassiveFeedName
    /// Which bars an instrument with bars gets.
    package var bars = MassiveBars.minute
    /// How long after their report trades are read again. Empty: never.
    package var rereadAges: [Int64] = []
    package var stream: StreamSettings

    package init(_ feed: MassiveFeedName, seed: UInt64) {
        self.feed = feed
        stream = StreamSettings("massive", seed: seed)
    }
}

/// How late the account's plan gets the market.
package enum MassiveFeedName: String, CaseIterable, Sendable {
    case realTime = "real-time"
    /// A quarter of an hour later.
    case delayed

    /// By how much events are reported later than they happen. The service says 15 minutes, and not
    /// how exactly.
    package var lag: ClosedRange<Int64> {
        switch self {
        case .realTime: 0...0
        case .delayed: 840_000_000_000...960_000_000_000
        }
    }

    package var host: String {
        switch self {
        case .realTime: "socket.massive.com"
        case .delayed: "delayed.massive.com"
        }
    }
}

/// The length of the service's bars.
package enum MassiveBars: String, CaseIterable, Sendable {
    case minute, second
}

/// Bounds that are no settings.
package enum MassiveLimits {
    /// The symbols of channels that one request names. It keeps requests below 8 KiB.
    package static let symbolsPerRequest = 250
    /// How long the confirmations of other words may come after a refusal.
    package static let refusalAfter: Int64 = 2_000_000_000
    /// The longest status text that is read: a request with all its words.
    package static let statusBytesMax = 16_384
    /// The wait after another session took the place. Each attempt takes the place of that one.
    package static let occupiedWait: Int64 = 15_000_000_000
    /// The service says that there are too many connections only after it has confirmed what was
    /// asked for. So long a connection is doubted after that.
    package static let provenAfter: Int64 = 3_000_000_000
    /// How much longer than trades bars may be under way: a bar is sent after its end.
    package static let barDelay: Int64 = 5_000_000_000
    /// So long after its end a minute may be sent again, and a little more.
    package static let minutesRevisedAfter: Int64 = 905_000_000_000
    /// A bar that comes so long after its end was sent before.
    package static let barsSentWithin: Int64 = 30_000_000_000
    /// How long a span of trades is that is read again at a time, and how long at most when the
    /// reading is behind.
    package static let rereadSpan: Int64 = 600_000_000_000
    package static let rereadSpanMax: Int64 = 3_600_000_000_000
    /// After a start no trades are read again that were reported earlier than this.
    package static let rereadBack: Int64 = 7 * 86_400_000_000_000
    /// The most answers of one span.
    package static let pagesMax = 1_000
    /// Failures without a further page after which a span is left out.
    package static let spanFailuresMax = 12
    /// The changes that are known when they are read once more.
    package static let changesKept = 131_072
    /// The time between two requests.
    package static let requestsInterval: Int64 = 50_000_000
    /// What is known of how many requests are taken.
    package static let requests: RequestLimits = {
        var limits = RequestLimits(
            service: "Massive", failedWait: 1_000_000_000, limitedWait: 60_000_000_000)
        limits.failedWaitMax = 300_000_000_000
        return limits
    }()
}
