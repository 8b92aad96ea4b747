public import Primitives

/// A record of a provider, in the order in which it sends them.
///
/// `header.symbol` is the number of the instrument in the source's `InstrumentRegistry`, or
/// `TickHeader.noSymbol`.
public enum ProviderRecord: Hashable, Sendable {
    case tape(TapeRecord)
    /// The state of a feed. It does not go onto the tape; the router decides by it.
    case feed(FeedState)
    /// It is no separate record: it changes the symbol's definition on the tape from here on.
    case definition(FeedDefinition)
}

/// The provider that feeds an instrument, and since when. Only a provider that delivers data of
/// other providers sends it; otherwise subscriptions contain it.
public struct FeedDefinition: Hashable, Sendable {
    public var instrument: UInt32
    public var provider: String
    public var since: Timestamp
    /// The round lot that was stated; `nil`: none was.
    public var lot: RoundLot?

    public init(instrument: UInt32, provider: String, since: Timestamp, lot: RoundLot? = nil) {
        self.instrument = instrument
        self.provider = provider
        self.since = since
        self.lot = lot
    }
}

/// The state of an instrument's feed at the moment.
public struct FeedState: Hashable, Sendable {
    public enum State: UInt8, Sendable {
        /// Requested, but nothing shows yet that data come.
        case starting
        case live
        /// Nothing comes; the provider tries again by itself.
        case down
        /// Nothing will come until something is changed: there is no such contract, or no
        /// permission.
        case refused
    }

    public var instrument: UInt32
    public var state: State
    /// When the state began.
    public var time: Timestamp

    public init(instrument: UInt32, state: State, time: Timestamp) {
        self.instrument = instrument
        self.state = state
        self.time = time
    }
}

extension ProviderRecord {
    public var header: TickHeader? {
        if case .tape(let record) = self { record.header } else { nil }
    }

    public var kind: DataKind? {
        if case .tape(let record) = self { record.kind } else { nil }
    }
}

extension [ProviderRecord] {
    @inlinable
    public mutating func append(_ record: TapeRecord) { append(.tape(record)) }
}
