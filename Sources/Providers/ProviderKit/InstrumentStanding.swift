public import MarketModel

/// What a provider says of one instrument that it was ordered to deliver.
public struct InstrumentStanding: Hashable, Sendable {
    public enum State: String, Hashable, Sendable {
        /// It was not requested yet, or nothing has come yet.
        case waiting
        /// At least one kind of its data comes.
        case subscribed
        /// It failed or was interrupted, and is tried again.
        case down
        /// It is refused until a person changes something.
        case refused
    }

    /// The instrument's number in the registry.
    public var instrument: UInt32
    public var state: State
    /// Why, in the provider's words; empty: there is nothing to say.
    public var reason: String

    public init(instrument: UInt32, state: State, reason: String = "") {
        self.instrument = instrument
        self.state = state
        self.reason = reason
    }
}

extension InstrumentStanding.State {
    /// What the state of a feed says of its instrument.
    public init(_ feed: FeedState.State) {
        switch feed {
        case .starting: self = .waiting
        case .live: self = .subscribed
        case .down: self = .down
        case .refused: self = .refused
        }
    }
}
