internal import EngineKit
internal import MarketModel
internal import Primitives

/// One channel of one symbol.
struct AlpacaFeed: RecordedFeed, Sendable {
    var instrument: UInt32
    /// The service's symbol.
    let name: String
    let channel: AlpacaChannel
    /// Whether it is requested; a feed that is not keeps what it knows.
    var isWanted = true
    /// Whether another feed speaks for the instrument.
    var isFollower = false
    var state = FeedState.State.starting
    var reason = ""
    /// Why the service refuses it; empty: it does not.
    var refusal = ""
    var standing = AlpacaStanding()
    /// The gaps that an earlier process left.
    var inherited: [OpenGap] = []
    /// The time of the last record, and since when it is subscribed.
    var last = Timestamp.undefined
    var liveSince = Timestamp.undefined
    /// The gap that is open now; `nil`: there is none.
    var openGap: UnendedGap?
    /// What is to be computed again because of changes of trades that are not known.
    var repair = AlpacaRepair()

    init(instrument: UInt32, name: String, channel: AlpacaChannel) {
        self.instrument = instrument
        self.name = name
        self.channel = channel
    }

    var kind: DataKind { channel.kind }

    /// The time up to which it is complete when its connection was heard last at `heard`;
    /// undefined: it never came.
    func complete(heard: Timestamp, delayMax: Int64) -> Timestamp {
        guard liveSince.isDefined || last.isDefined else { return .undefined }
        var time = liveSince
        // The last record may be replaced, if it is a bar.
        let final = last.isDefined ? last.advanced(byNanoseconds: -channel.revisedAfter) : last
        if final.isDefined { time = time.isDefined ? max(time, final) : final }
        // What was reported before that has come, too.
        let doubt = delayMax + channel.revisedAfter
        if heard.isDefined { time = max(time, heard.advanced(byNanoseconds: -doubt)) }
        return time
    }
}

/// What was said of a feed, to the service and on the tape.
struct AlpacaStanding: Sendable {
    /// Whether the service has been asked for it, and whether it has confirmed that.
    var isAsked = false
    var isConfirmed = false
    /// Whether the beginning of the subscription is on the tape.
    var isAnnounced = false
}

/// A stretch of time to compute again.
struct AlpacaRepair: Sendable {
    /// Undefined: nothing is to be computed again.
    var from = Timestamp.undefined
    var to = Timestamp.undefined
    /// When the next request may leave.
    var at = MonotonicTime.distantPast

    mutating func add(_ from: Timestamp, _ to: Timestamp) {
        self.from = self.from.isDefined ? min(self.from, from) : from
        self.to = self.to.isDefined ? max(self.to, to) : to
    }
}

/// A connection that is kept up.
struct AlpacaLink: Sendable {
    enum State: Sendable {
        /// There is none.
        case closed
        /// An attempt is under way.
        case opening
        /// The service has not said yet that it is connected.
        case greeting
        case authenticating
        /// Requests can be sent.
        case ready
    }

    let endpoint: AlpacaEndpoint
    /// Whether a feed comes on it that is wanted.
    var isWanted = false
    var state = State.closed
    var number: AlpacaConnection = 0
    var retry: ReconnectWait
    /// When it became ready.
    var readyAt = MonotonicTime.never
    var heard = LastHeard()
    /// When something came last, by the clock of records.
    var heardWall = Timestamp.undefined
    /// Until when an answer has to come.
    var due = MonotonicTime.never
    var asking = AlpacaAsking()
    /// Why the service takes neither key nor subscription; empty: it does, as far as known.
    var refusal = ""
    /// Whether another session was there at the last attempt.
    var isOccupied = false
    /// What ended the last connection or attempt; empty: nothing did since one was ready.
    var reason = ""

    init(_ endpoint: AlpacaEndpoint, _ settings: AlpacaSettings) {
        self.endpoint = endpoint
        retry = ReconnectWait(
            first: settings.reconnectFirst, max: settings.reconnectMax,
            seed: settings.seed &+ UInt64(endpoint.rawValue) &* 1_000_003)
    }
}

/// What a connection is asked for.
struct AlpacaAsking: Sendable {
    /// The request without an answer; `nil`: there is none.
    var request: AlpacaRequest?
    /// When the next request may leave.
    var sendAt = MonotonicTime.distantPast
    /// How many symbols the next request names at most.
    var symbolsMax = AlpacaLimits.symbolsPerRequest
    /// Whether a request names one channel alone, because another one was refused.
    var isByChannel = false
    /// Whether a request may be missing that the service should have been sent.
    var isBehind = true
    var isProbing = false
}

/// A request that waits for its answer.
struct AlpacaRequest: Sendable {
    enum Kind: Sendable {
        case subscribe, unsubscribe, probe
    }

    var kind: Kind
    var feeds: [Int]
}
