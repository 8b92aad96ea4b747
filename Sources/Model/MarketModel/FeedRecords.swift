public import Primitives

/// A kind of data as providers deliver and subscriptions ask for it.
public enum DataKind: UInt8, Sendable {
    /// All kinds.
    case any = 0
    case trade = 1
    case quote = 2
    case depth = 3
    case providerBar = 4
    case optionComputation = 5
    case news = 6
    case fundamental = 7
    case indicator = 8
}

public enum SubscriptionAction: UInt8, Sendable {
    case start = 1
    case stop = 2
    /// From one provider to another, without a gap if the data allow it.
    case switchProvider = 3
}

/// How the data of a subscription come.
public enum FeedMode: UInt8, Sendable {
    case unknown = 0
    case live = 1
    case frozen = 2
    case delayed = 3
    case delayedFrozen = 4
    case historical = 5
}

/// From here on the symbol's data are, or are not, on the tape.
public struct SubscriptionRecord: Hashable, Sendable {
    public static let providerBytesMax = 64
    public static let reasonBytesMax = 256

    public var header: TickHeader
    /// A raw `SubscriptionAction`.
    public var action: UInt8
    /// A raw `DataKind`.
    public var kind: UInt8
    /// A raw `FeedMode`.
    public var mode: UInt8
    public var provider: String
    /// Who fed the symbol before a switch.
    public var previousProvider: String
    public var reason: String

    public init(
        header: TickHeader, action: SubscriptionAction, kind: DataKind, mode: FeedMode,
        provider: String, previousProvider: String = "", reason: String = ""
    ) {
        self.header = header
        self.action = action.rawValue
        self.kind = kind.rawValue
        self.mode = mode.rawValue
        self.provider = provider
        self.previousProvider = previousProvider
        self.reason = reason
    }
}

public enum GapReason: UInt8, Sendable {
    case unknown = 0
    /// The connection to the provider was lost.
    case disconnected = 1
    /// The gateway ended, or was fenced, with ticks that it had not published.
    case gatewayLost = 2
    /// The provider says that it left out data, or its numbers show it.
    case providerLoss = 3
    /// A policy of the gateway dropped ticks.
    case dropped = 4
    /// The tape lost what it had acknowledged: the ordinals name it.
    case tapeLost = 5
    /// The provider's regular break.
    case maintenance = 6
}

public enum GapState: UInt8, Sendable {
    case open = 0
    case filling = 1
    case filled = 2
    /// The provider has no answer any more.
    case abandoned = 3
}

/// Data of an interval are missing, or are here after all.
public struct GapRecord: Hashable, Sendable {
    public static let detailBytesMax = 512

    public var header: TickHeader
    /// The interval is [from, to); `to` is undefined while it lasts.
    public var from: Timestamp
    public var to: Timestamp
    /// Of `tapeLost`: the ordinals that are gone. 0 and 0 otherwise.
    public var firstOrdinal: UInt64
    public var lastOrdinal: UInt64
    /// A raw `DataKind`.
    public var kind: UInt8
    /// A raw `GapReason`.
    public var reason: UInt8
    /// A raw `GapState`.
    public var state: UInt8
    public var detail: String

    public init(
        header: TickHeader, from: Timestamp, to: Timestamp, kind: DataKind, reason: GapReason,
        state: GapState, firstOrdinal: UInt64 = 0, lastOrdinal: UInt64 = 0, detail: String = ""
    ) {
        self.header = header
        self.from = from
        self.to = to
        self.firstOrdinal = firstOrdinal
        self.lastOrdinal = lastOrdinal
        self.kind = kind.rawValue
        self.reason = reason.rawValue
        self.state = state.rawValue
        self.detail = detail
    }
}

/// Compute the windows of the symbol in [from, to) again, from the tape.
public struct RepairRequest: Hashable, Sendable {
    public static let requesterBytesMax = 64
    public static let noteBytesMax = 512

    public var header: TickHeader
    public var from: Timestamp
    public var to: Timestamp
    /// A raw `BarReason`, which the new versions of the bars will give.
    public var reason: UInt8
    public var requester: String
    public var note: String

    public init(
        header: TickHeader, from: Timestamp, to: Timestamp, reason: BarReason, requester: String,
        note: String = ""
    ) {
        self.header = header
        self.from = from
        self.to = to
        self.reason = reason.rawValue
        self.requester = requester
        self.note = note
    }
}
