internal import MarketModel
internal import Primitives

enum MassiveBeside: Sendable {
    case none
    case bar(feed: Int, ProviderBar)
    /// Something of a symbol that is wanted and that the tape cannot hold, or that lacks a field.
    case misfit(feed: Int, time: Timestamp, text: String)
}

/// A status message.
enum MassiveControl: Hashable, Sendable {
    case connected
    case authenticated
    /// The key is not taken, or the account's plan lacks what is needed.
    case refusedAccount(String)
    /// Another session of the account is there.
    case occupied(String)
    /// What was asked for, by words as `T.AAPL`, is subscribed to; or no longer is.
    case subscribed([String])
    case unsubscribed([String])
    /// Something that was asked for is refused.
    case error(String)
    /// Another status, and its text.
    case other(String, String)
}
