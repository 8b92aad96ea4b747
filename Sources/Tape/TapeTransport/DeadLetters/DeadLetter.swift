package import MarketModel
package import Primitives

/// A record that a service refused, with everything that a person needs to see why, and that a
/// program needs to try it again.
package struct DeadLetter: Hashable, Sendable {
    /// Why the record was refused.
    package enum Reason: String, Sendable, CaseIterable {
        /// The database refused the row, for example because of a constraint or because a value
        /// does not fit its column.
        case data
        /// The record is damaged, or refers to a symbol that its packet does not define.
        case undecodable
        /// No database partition may be made for the record's time.
        case outOfRange = "out_of_range"
        /// The record's time is too far in the future. The gateway refused it, so it was never on
        /// the tape.
        case future
    }

    /// The database's error; empty when the database was not asked.
    package struct Refusal: Hashable, Sendable {
        package var sqlState: String
        package var message: String
        package var constraint: String
        package var column: String

        package init(
            sqlState: String = "", message: String, constraint: String = "", column: String = ""
        ) {
            self.sqlState = sqlState
            self.message = message
            self.constraint = constraint
            self.column = column
        }
    }

    /// The record's place on the tape. A record that was never there has a number that identifies
    /// it instead.
    package struct Place: Hashable, Sendable {
        /// The input of a letter that a gateway wrote.
        package static let provider = "provider"

        /// `ticks` or `bars`, or `provider` for a record that was never on the tape.
        package var input: String
        package var partition: Partition
        package var source: SourceName
        package var epoch: UInt64
        /// The record's ordinal, or the number that identifies a record that has none.
        package var ordinal: UInt64
        /// The stream and the sequence of the record's packet; empty, undefined and 0 for a record
        /// that was never on the tape.
        package var stream: String
        package var streamCreated: Timestamp
        package var sequence: UInt64

        package init(
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

        /// Whether the record is, or was, on the tape.
        package var isOnTape: Bool { input != Self.provider }
    }

    /// Longer payloads are cut. A cut payload can be read by a person but not tried again.
    package static let payloadBytesMax = 256 * 1_024
    /// The bound of messages, because a message may quote a row of any length.
    package static let messageCharactersMax = 1_000

    package var service: String
    package var namespace: String
    /// Whose books count the letter: a store; the `gateway` has none.
    package var owner: String
    /// The kind of that store; empty for a letter of the gateway.
    package var storeKind: String
    /// The table; empty when it is no longer known what the record was.
    package var sink: String
    package var reason: Reason
    package private(set) var refusal: Refusal
    package var place: Place
    /// The number of ordinals, beginning with `place.ordinal`: more than one when the rest of a
    /// packet cannot be read.
    package var count: UInt64
    package var symbol: String
    package var eventTime: Timestamp
    /// When the record was refused.
    package var notedAt: Timestamp
    /// A packet of the tape with this one tick and what it refers to. For an undecodable record,
    /// the bytes that could not be read.
    package private(set) var payload: [UInt8]
    /// Whether the payload was cut.
    package private(set) var isTruncated: Bool

    package init(
        service: String, namespace: String, owner: String, storeKind: String = "", sink: String,
        reason: Reason, refusal: Refusal, place: Place, count: UInt64 = 1, symbol: String,
        eventTime: Timestamp, notedAt: Timestamp, payload: [UInt8], isTruncated: Bool = false
    ) {
        self.service = service
        self.namespace = namespace
        self.owner = owner
        self.storeKind = storeKind
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

    /// The name for people: `ticks/3/desk-1/17/2` is ordinal 17 of the source `desk-1` in partition
    /// 3, in epoch 2.
    package var id: String {
        "\(place.input)/\(place.partition)/\(place.source)/\(place.ordinal)/\(place.epoch)"
    }

    /// The id is the same whenever the same tick is refused. So a repeat after a COMMIT of unknown
    /// outcome makes no second letter.
    package var messageID: String { "\(namespace)/\(owner)/\(id)" }
}
