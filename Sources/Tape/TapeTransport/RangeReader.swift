package import NatsTransport
package import Primitives
package import TapeCodec
package import TapeProtocol

/// Why a range of the tape cannot be read, or not any more. One line.
package struct TapeRangeError: Error, Sendable, CustomStringConvertible {
    package let description: String
    /// True when waiting may help.
    package let isRetryable: Bool

    package init(_ description: String, isRetryable: Bool = false) {
        self.description = description
        self.isRetryable = isRetryable
    }
}

/// Reads ranges of the tape on the thread that calls it, for tools and the provider `replay`. A
/// *range* is a part of a stream, read in its order, up to its end or for as long as the caller
/// wants.
///
/// It reads as every reader does (`TapeReaders`): it passes on only packets that are proven to
/// follow, and a packet that cannot be read ends the range with an error. A raw reader passes on
/// whatever is stored, for `tapeline tail`, which shows the tape as it is. A service whose thread
/// serves live partitions at the same time (the writer's intake, an operator's worker with its
/// recovery and its repairs) uses `TapeReaders` in the loop of that thread instead.
package final class RangeReader {
    /// A packet of a range.
    package struct Packet {
        /// The number that `open` returned.
        package let range: Int
        /// The failure of a message that is no packet. Only a raw reader meets one.
        package let header: Result<PacketHeader, PacketError>
        package let sequence: UInt64
        /// When the tape stored it.
        package let time: Timestamp
        package let message: NatsMessage
    }

    /// Where a range ends.
    package enum End: Hashable, Sendable {
        /// Nowhere: it follows the tape until the caller ends it.
        case never
        /// The last packet that is stored when the range is opened.
        case stored
        /// The last packet at this sequence or before it.
        case sequence(UInt64)
    }

    private struct OpenRange {
        let stream: String
        /// The range has no packet after this sequence; 0 when it has no packet at all.
        let last: UInt64
        /// Whether its end was passed on, or the caller has ended it.
        var isOver: Bool
    }

    private static let eventsPerTurn = 256
    /// How long the server keeps the consumer of a range after its end. Short, because ranges may
    /// be many and short.
    private static let idleMax = Duration.seconds(5)

    private let client: TapeClient
    private let mailbox = TapeMailbox(capacity: 64)
    private let readers: TapeReaders
    private var ranges: [OpenRange] = []
    private var events: [TapeEvent] = []
    /// The packets of the present event, which are not passed on yet.
    private var taken: [Packet] = []
    /// Whether any packet has come. Before the first one, a refusal by the server is the reason.
    private var hasTaken = false

    /// `group` and `pullBytes` are those of `TapeReaders`.
    package init(
        _ client: TapeClient, group: String, isRaw: Bool = false,
        pullBytes: Int = ReaderLane.pullBytes
    ) throws(TapeError) {
        self.client = client
        readers = try TapeReaders(
            client, group: group, mailbox: mailbox, pullBytes: pullBytes, idleMax: Self.idleMax)
        client.notify(mailbox)
        guard isRaw else { return }
        readers.skip = { [weak self] in self?.took($0, .failure($1), $2) }
    }

    /// Ends all ranges and closes the mailbox.
    package func close() {
        readers.close()
        mailbox.close()
    }

    // MARK: ranges

    /// Begins to read a range, and returns its number. A range from `.end` begins after the packet
    /// that is the stream's last one now. Unlike a lane that was opened from `.end`, it loses no
    /// packet in a doubt.
    @discardableResult
    package func open(
        _ input: TapeReaders.Input, from start: ReaderLane.Start, to end: End
    ) throws -> Int {
        var start = start
        switch start {
        case .end:
            guard let info = try client.jetStream.streamInfo(input.stream) else {
                throw Self.missing(input.stream)
            }
            start = .sequence(info.lastSequence + 1)
        case .time(let time):
            // A consumer of several subjects would leave out messages.
            guard
                let found = try client.jetStream.sequence(ofStream: input.stream, at: time)
            else { throw Self.missing(input.stream) }
            start = .sequence(found)
        case .first, .sequence: break
        }
        let last = try last(input, start, end)
        let range = readers.add(input)
        ranges.append(OpenRange(stream: input.stream, last: last, isOver: last == 0))
        if last > 0 { readers.open(range, from: start) }
        return range
    }

    /// Returns the sequence after which the range has no packet; 0 when it has none at all.
    private func last(
        _ input: TapeReaders.Input, _ start: ReaderLane.Start, _ end: End
    ) throws -> UInt64 {
        var last: UInt64 = 0
        switch end {
        case .never: return UInt64.max
        case .sequence(let sequence): last = sequence
        case .stored:
            for filter in input.filters {
                let message = try client.jetStream.lastMessage(
                    stream: input.stream, subject: filter)
                last = max(last, message?.sequence ?? 0)
            }
        }
        if case .sequence(let first) = start, last < first { return 0 }
        return last
    }

    /// Ends a range early.
    package func end(_ range: Int) {
        ranges[range].isOver = true
        readers.close(range)
    }

    /// Returns whether the range has ended.
    package func isOver(_ range: Int) -> Bool { ranges[range].isOver }
    /// Whether all ranges have ended.
    package var isOver: Bool { ranges.allSatisfy(\.isOver) }
    /// Returns the stream of a range.
    package func stream(_ range: Int) -> String { ranges[range].stream }

    // MARK: reading

    /// Waits up to `timeout` for something to come, and passes on the packets that came. When a
    /// range cannot be read further, the next call throws, after the packets before it were passed
    /// on.
    package func receive(timeout: Duration, _ take: (Packet) throws -> Void) throws {
        try check()
        _ = mailbox.receive(into: &events, max: Self.eventsPerTurn, timeout: timeout)
        defer { events.removeAll(keepingCapacity: true) }
        for event in events {
            switch event {
            case .delivery(let message):
                readers.handle(message) { self.took($0, .success($1), $2) }
                try passOn(take)
            case .reconnected: readers.reconnected()
            case .closed(let reason):
                throw TapeRangeError("NATS is gone: \(reason)", isRetryable: true)
            case .answer, .wake: continue
            }
        }
        readers.timePassed()
    }

    /// Passes on nothing more of a range until `release`. The tape keeps the rest.
    package func hold(_ range: Int) { readers.hold(range) }

    /// Continues after `hold`, first with the packets that came meanwhile.
    package func release(_ range: Int, _ take: (Packet) throws -> Void) throws {
        readers.release(range) { self.took($0, .success($1), $2) }
        try passOn(take)
    }

    /// Keeps a packet until the readers have returned, because the caller's closure may throw and
    /// may call `end` and `hold`.
    private func took(
        _ range: Int, _ header: Result<PacketHeader, PacketError>, _ message: NatsMessage
    ) {
        let place = message.withReplyTo { PulledMessage(ofReplySubject: $0) }
        guard let place else { return }
        hasTaken = true
        taken.append(
            Packet(
                range: range, header: header, sequence: place.streamSequence, time: place.time,
                message: message))
    }

    /// Passes on the packets that were kept, and ends ranges at their last packet.
    private func passOn(_ take: (Packet) throws -> Void) throws {
        defer { taken.removeAll(keepingCapacity: true) }
        for packet in taken where !ranges[packet.range].isOver {
            try take(packet)
            if packet.sequence >= ranges[packet.range].last { end(packet.range) }
        }
    }

    // MARK: trouble

    /// Throws when a range cannot be read further.
    private func check() throws(TapeRangeError) {
        for range in ranges.indices where !ranges[range].isOver {
            let stream = ranges[range].stream
            if readers.lacksStream(range) { throw Self.missing(stream) }
            if let problem = readers.problem(range) {
                throw TapeRangeError("stream \(stream) cannot be read further: \(problem)")
            }
        }
        if !hasTaken, let refusal = Self.refusal(client) { throw refusal }
    }

    private static func missing(_ stream: String) -> TapeRangeError {
        TapeRangeError("there is no stream \(stream): it was deleted, or never made")
    }

    /// Returns the server's refusal to let this user read; `nil` when it has sent none. The server
    /// does not answer a request that is not allowed, so only its last error shows the reason.
    package static func refusal(_ client: TapeClient) -> TapeRangeError? {
        guard let complaint = client.complaint, complaint.contains("ermission") else { return nil }
        return TapeRangeError(
            "NATS does not let this user read the tape of \(client.names.namespace) "
                + "(\(complaint)): name one that may, as deploy/nats/server.conf lets 'tool' and "
                + "'writer'")
    }
}
