public import MarketModel
public import Primitives

/// What a service could not take, with everything that a person needs to see why, and a program to
/// try it again.
public struct DeadLetter: Hashable, Sendable {
    public enum Reason: String, Sendable, CaseIterable {
        /// The database refuses the row: a constraint, a value that its column cannot hold.
        case data
        /// It is damaged, or refers to a symbol that its packet does not define.
        case undecodable
        /// Of a time that no partition may be made for.
        case outOfRange = "out_of_range"
        /// Stamped too far ahead of the time: refused by the gateway, and never on the tape.
        case future
    }

    /// What the database said; empty where nobody asked it.
    public struct Refusal: Hashable, Sendable {
        public var sqlState: String
        public var message: String
        public var constraint: String
        public var column: String

        public init(
            sqlState: String = "", message: String, constraint: String = "", column: String = ""
        ) {
            self.sqlState = sqlState
            self.message = message
            self.constraint = constraint
            self.column = column
        }
    }

    /// Where it stands on the tape; of what never was there, a number that tells it apart.
    public struct Place: Hashable, Sendable {
        /// The input of what a gateway refused.
        public static let provider = "provider"

        public var input: String
        public var partition: Partition
        public var source: SourceName
        public var epoch: UInt64
        public var ordinal: UInt64
        public var stream: String
        public var streamCreated: Timestamp
        public var sequence: UInt64

        public init(
            input: String, partition: Partition, source: SourceName, epoch: UInt64,
            ordinal: UInt64, stream: String, streamCreated: Timestamp, sequence: UInt64
        ) {
            self.input = input
            self.partition = partition
            self.source = source
            self.epoch = epoch
            self.ordinal = ordinal
            self.stream = stream
            self.streamCreated = streamCreated
            self.sequence = sequence
        }

        public var isOnTape: Bool { input != Self.provider }
    }

    /// Longer ones are cut, and are good for nothing but looking at them.
    public static let payloadBytesMax = 256 * 1_024
    /// A message may quote a row of any length.
    public static let messageCharactersMax = 1_000

    public var service: String
    public var namespace: String
    /// Who keeps the books that count it: the writer is `store`; the `gateway` keeps none.
    public var owner: String
    /// The table; empty when what it was cannot be told any more.
    public var sink: String
    public var reason: Reason
    public private(set) var refusal: Refusal
    public var place: Place
    /// Of how many ordinals, `place.ordinal` the first: more than one when the rest of a packet
    /// cannot be read.
    public var count: UInt64
    public var symbol: String
    public var eventTime: Timestamp
    public var notedAt: Timestamp
    /// A packet of the tape that holds this one tick and what it refers to; of an undecodable one
    /// the bytes that could not be read.
    public private(set) var payload: [UInt8]
    public private(set) var isTruncated: Bool

    public init(
        service: String, namespace: String, owner: String, sink: String, reason: Reason,
        refusal: Refusal, place: Place, count: UInt64 = 1, symbol: String, eventTime: Timestamp,
        notedAt: Timestamp, payload: [UInt8], isTruncated: Bool = false
    ) {
        self.service = service
        self.namespace = namespace
        self.owner = owner
        self.sink = sink
        self.reason = reason
        self.refusal = refusal
        self.refusal.message = String(refusal.message.prefix(Self.messageCharactersMax))
        self.place = place
        self.count = count
        self.symbol = symbol
        self.eventTime = eventTime
        self.notedAt = notedAt
        self.payload = Array(payload.prefix(Self.payloadBytesMax))
        self.isTruncated = isTruncated || payload.count > Self.payloadBytesMax
    }

    /// What a person calls it: `ticks/3/desk-1/17/2` is ordinal 17 of the source `desk-1` in
    /// partition 3, in epoch 2.
    public var id: String {
        "\(place.input)/\(place.partition)/\(place.source)/\(place.ordinal)/\(place.epoch)"
    }

    /// The same one whenever the same tick is refused: a repeat after a COMMIT of unknown fate is
    /// no second letter.
    public var messageID: String { "\(namespace)/\(owner)/\(id)" }
}
