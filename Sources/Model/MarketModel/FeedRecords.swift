public import Primitives

/// A kind of data that providers deliver and that subscriptions request.
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
    /// The symbol moves from one provider to another, without a gap if the data allow it.
    case switchProvider = 3
}

/// The way in which a subscription's data come.
public enum FeedMode: UInt8, Sendable {
    case unknown = 0
    case live = 1
    case frozen = 2
    case delayed = 3
    case delayedFrozen = 4
    case historical = 5
}

/// States that the symbol's data are on the tape from here on, or no longer are.
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
    /// The provider that fed the symbol before a switch.
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
    /// The gateway ended or was fenced while it held ticks that it had not published.
    case gatewayLost = 2
    /// The provider reports that it left out data, or its numbers show it.
    case providerLoss = 3
    /// A policy of the gateway dropped ticks.
    case dropped = 4
    /// The tape lost packets that it had acknowledged. The record's ordinals name them.
    case tapeLost = 5
    /// The provider's regular break.
    case maintenance = 6
}

public enum GapState: UInt8, Sendable {
    case open = 0
    case filling = 1
    case filled = 2
    /// The provider no longer has the data, so the gap stays.
    case abandoned = 3
}

/// States that the data of an interval are missing, or that they have arrived after all.
public struct GapRecord: Hashable, Sendable {
    public static let detailBytesMax = 512

    public var header: TickHeader
    /// The interval is [from, to); `to` is undefined as long as the gap is open.
    public var from: Timestamp
    public var to: Timestamp
    /// The first of the lost ordinals, for `tapeLost`; otherwise both ordinals are 0.
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

/// A request to compute the symbol's windows in [from, to) again from the tape.
public struct RepairRequest: Hashable, Sendable {
    public static let requesterBytesMax = 64
    public static let noteBytesMax = 512

    public var header: TickHeader
    public var from: Timestamp
    public var to: Timestamp
    /// A raw `BarReason`. The new versions of the bars carry it.
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
