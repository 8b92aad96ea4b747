public import Primitives

/// What a provider has to say, in the order in which it says it.
///
/// `header.symbol` is the number of the instrument in the source's `InstrumentBook`, or
/// `TickHeader.noSymbol`.
public enum ProviderRecord: Hashable, Sendable {
    case tape(TapeRecord)
    /// Not for the tape: what the router decides by.
    case feed(FeedState)
    /// No record of its own: what the symbol's definition on the tape says from here on.
    case definition(FeedDefinition)
}

/// Who feeds an instrument, and since when. Only of a provider that hands on what others have
/// delivered: else subscriptions say it.
public struct FeedDefinition: Hashable, Sendable {
    public var instrument: UInt32
    public var provider: String
    public var since: Timestamp

    public init(instrument: UInt32, provider: String, since: Timestamp) {
        self.instrument = instrument
        self.provider = provider
        self.since = since
    }
}

/// Whether a provider delivers an instrument at the moment.
public struct FeedState: Hashable, Sendable {
    public enum State: UInt8, Sendable {
        /// Asked for, and nothing says yet that data come.
        case starting
        case live
        /// Nothing comes; the provider tries again by itself.
        case down
        /// Nothing will come unless something is changed: no such contract, no permission.
        case refused
    }

    public var instrument: UInt32
    public var state: State
    /// Since when.
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
