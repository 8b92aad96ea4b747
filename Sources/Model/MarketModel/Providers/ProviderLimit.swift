public import Primitives

/// One limit of a provider, at a moment: how much of it is used, and what waits for it.
///
/// Engines make a short list of them for pages and metrics, once or twice a second.
public struct ProviderLimit: Hashable, Sendable {
    /// What is limited. The names are labels of metrics, so there are few.
    public enum Name: String, CaseIterable, Sendable {
        /// Subscriptions to level 1 at a time.
        case lines
        /// Subscriptions to single ticks at a time.
        case tickLines = "tick-lines"
        /// Subscriptions to order books at a time.
        case depthLines = "depth-lines"
        /// Connections at a time.
        case connections
        /// Streams of one connection.
        case streams
        /// Symbols of the account.
        case symbols
        /// Messages to the server in a second.
        case messages
        /// Requests in a minute.
        case requests
        /// Points of requests in a minute.
        case weight
        /// Requests for history in ten minutes.
        case history
        /// Requests in a minute for what was delivered before.
        case pages
        /// Requests in a minute for what did not come.
        case fills
        /// Requests without an answer.
        case openRequests = "open-requests"
    }

    /// The most limits of one provider: each name once.
    public static let listMax = Name.allCases.count

    public var name: Name
    public var used: Int
    /// `nil`: the provider states none.
    public var max: Int?
    /// How many instruments or requests wait for it.
    public var waiting: Int
    /// When the last of those that wait has its turn, as far as is known; `nil`: nothing waits, or
    /// no time is known.
    public var until: MonotonicTime?
    /// Why they wait, for people; empty: there is nothing to say.
    public var reason: String

    public init(
        _ name: Name, used: Int, max: Int?, waiting: Int = 0, until: MonotonicTime? = nil,
        reason: String = ""
    ) {
        self.name = name
        self.used = used
        self.max = max
        self.waiting = waiting
        self.until = until == .never || until == .distantPast ? nil : until
        self.reason = reason
    }
}
