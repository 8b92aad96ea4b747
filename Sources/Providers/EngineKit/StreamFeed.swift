package import MarketModel
package import Primitives

/// One channel of one symbol.
package struct StreamFeed: LiveFeed, Sendable {
    package var instrument: UInt32
    /// The service's symbol.
    package let name: String
    package let channel: StreamChannel
    /// Whether it is requested; a feed that is not keeps what it knows.
    package var isWanted = true
    /// Whether another feed speaks for the instrument.
    package var isFollower = false
    package var state = FeedState.State.starting
    package var reason = ""
    package var refusal = FeedRefusal()
    /// Whether the beginning of the subscription is on the tape.
    package var isAnnounced = false
    /// What was said of it on each connection, by the connections' numbers.
    package var on = InlineArray<4, StreamStanding>(repeating: StreamStanding())
    package var inherited: [OpenGap] = []
    package var reach = FeedReach()
    package var openGap: UnendedGap?
    /// What came lately, where gaps are filled, and the gaps that are.
    var arrivals = FeedArrivals()
    var filled: [Range<Timestamp>] = []

    init(instrument: UInt32, name: String, channel: StreamChannel) {
        self.instrument = instrument
        self.name = name
        self.channel = channel
    }

    package var kind: DataKind { channel.kind }

    /// What was said of it on the only connection on which it comes.
    package var standing: StreamStanding {
        get { on[channel.link] }
        set { on[channel.link] = newValue }
    }

    /// Whether a connection delivers it.
    package var isDelivered: Bool { on.indices.contains { on[$0].isConfirmed } }

    /// Whether a connection is to be asked for it.
    func isMissing(on link: Int) -> Bool {
        isWanted && channel.comes(on: link) && !on[link].isRefused
            && !(on[link].isAsked && on[link].isConfirmed)
    }

    /// Whether the next record will say what an outage lost.
    package var isProvenByNext: Bool { channel.proof.isOfNext && reach.last.isDefined }

    /// The time up to which it is complete when its connection has shown what was reported until
    /// `heard`; undefined: it never came.
    package func complete(heard: Timestamp, delayMax: Int64) -> Timestamp {
        let last = reach.last
        guard reach.liveSince.isDefined || last.isDefined else { return .undefined }
        var time = reach.liveSince
        // The last record may be replaced, if it is a bar.
        let final = last.isDefined ? last.advanced(byNanoseconds: -channel.revisedAfter) : last
        if final.isDefined { time = time.isDefined ? max(time, final) : final }
        // What was reported before that has come, too.
        let doubt = delayMax + channel.revisedAfter + channel.lag.upperBound
        if heard.isDefined { time = max(time, heard.advanced(byNanoseconds: -doubt)) }
        return time
    }
}

/// How far a feed is.
package struct FeedReach: Sendable {
    /// The time of the last record, and its number, where the service's numbers rise; 0: none came.
    package var last = Timestamp.undefined
    package var lastID: UInt64 = 0
    /// Since when it is subscribed.
    package var liveSince = Timestamp.undefined
}

/// What the service has refused of a feed.
package struct FeedRefusal: Sendable {
    /// Why the service refuses it; empty: it does not.
    package var why = ""
    /// Whether it does because the account has no more room.
    package var lacksRoom = false
    /// The refusal that was told last; empty: it was delivered since, or begins.
    package var told = ""
    /// Whether the service takes the request, and does not have the symbol.
    package var isUnknown = false
    /// Whether it was refused, and the request for it again may not have left yet.
    package var isAskedAgain = false
}

/// A kind of messages that is subscribed to by symbols.
package struct StreamChannel: Hashable, Sendable {
    /// The engine's number of it, from 0.
    package let number: Int
    package let kind: DataKind
    /// The engine's number of the connection on which it comes, from 0.
    package let link: Int
    /// How long after its record one of the same time may come, which replaces it, in nanoseconds.
    package let revisedAfter: Int64
    /// By how much a delayed service reports later than things happen, in nanoseconds.
    package var lag: ClosedRange<Int64> = 0...0
    /// Whether another channel's records say what is subscribed to and what is missing.
    package var isPart = false
    /// Whether it comes on each connection.
    package var isShared = false
    /// How it is known what is missing.
    package var proof = StreamProof.byTime
    /// Whether the service's past fills its gaps.
    package var isFilled = false

    package init(_ number: Int, _ kind: DataKind, link: Int = 0, revisedAfter: Int64) {
        self.number = number
        self.kind = kind
        self.link = link
        self.revisedAfter = revisedAfter
    }

    /// Whether the feed's messages come on this connection.
    package func comes(on link: Int) -> Bool { isShared || self.link == link }
}

/// How it is known what is missing of a channel's records.
package enum StreamProof: Sendable {
    /// By their times, which are those of the service.
    case byTime
    /// By the times at which they came: they have none of the service.
    case byArrival
    /// Each begins when the one before has ended.
    case byWindows
    /// Their ids follow each other without a hole.
    case byDenseIDs

    /// Whether the next record says what was lost before it.
    var isOfNext: Bool { self == .byWindows || self == .byDenseIDs }
}

/// A feed, by its place in `StreamFeeds`, on one connection.
package struct LinkedFeed: Sendable {
    package var place: Int
    package var link: Int

    package init(_ place: Int, on link: Int) {
        self.place = place
        self.link = link
    }
}

/// What was said of a feed on one connection.
package struct StreamStanding: Sendable {
    /// Whether the service has been asked for it, and whether it has confirmed or refused that.
    package var isAsked = false
    package var isConfirmed = false
    package var isRefused = false
    /// The last number that came on it; 0: none did.
    package var lastID: UInt64 = 0

    package init() {}
}

/// An instrument to begin, and the time until which it is complete on the tape (undefined: nothing
/// is missing).
package struct BegunInstrument: Sendable {
    package var number: UInt32
    package var instrument: Instrument
    package var reached: Timestamp
    /// The last trade on the tape, where ids follow each other; `nil`: none is known.
    package var last: LastOfHistory?

    package init(
        number: UInt32, instrument: Instrument, reached: Timestamp, last: LastOfHistory? = nil
    ) {
        self.number = number
        self.instrument = instrument
        self.reached = reached
        self.last = last
    }
}

/// How an instrument is asked for.
package struct StreamPlan: Sendable {
    /// The service's symbol.
    package var name: String
    /// The symbol for channels that write it in another way, by their numbers.
    package var names: [Int: String] = [:]
    /// The first one speaks for the instrument.
    package var channels: [StreamChannel]
    /// Which of its feeds do not come; empty: all come.
    package var absent: String
    /// Why it cannot be delivered; `nil`: it can.
    package var problem: String?

    package init(
        name: String, channels: [StreamChannel], absent: String = "", problem: String? = nil
    ) {
        self.name = name
        self.channels = channels
        self.absent = absent
        self.problem = problem
    }
}

/// Something that is not delivered, and why.
package struct StreamRefusal: Hashable, Sendable {
    package var instrument: UInt32
    package var reason: String
}
