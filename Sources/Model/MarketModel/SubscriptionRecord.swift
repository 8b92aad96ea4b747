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
public struct SubscriptionRecord: Hashable, Sendable, HeadedRecord {
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

    func list(into fields: inout [RecordField]) {
        fields.add("action", SubscriptionAction.self, action)
        fields.add("of", DataKind.self, kind)
        fields.add("mode", FeedMode.self, mode)
        fields.add("of_provider", provider)
        fields.add("previous_provider", previousProvider)
        fields.add("reason", reason)
    }
}
