package import MarketModel
package import NatsTransport
package import Primitives
package import Recordings
package import ServiceRuntime
internal import TapeCodec
internal import TapeProtocol
internal import TapeTransport

/// A requested range of a source's tape.
package struct TapeRange: Sendable {
    package var nats: NatsConfiguration
    package var namespace: String
    package var source: SourceName
    /// Packets that were sent in [from, to). Undefined `from`: from the tape's beginning.
    package var from: Timestamp
    package var to: Timestamp
    package var symbols: [Symbol]
    /// Whether the bars of the source's partitions are read, too: the packets that the tape took in
    /// [from, to), and shortly before.
    package var hasBars: Bool

    package init(
        nats: NatsConfiguration, namespace: String, source: SourceName, from: Timestamp,
        to: Timestamp, symbols: [Symbol] = [], hasBars: Bool = false
    ) {
        self.nats = nats
        self.namespace = namespace
        self.source = source
        self.from = from
        self.to = to
        self.symbols = symbols
        self.hasBars = hasBars
    }
}

/// Reading was stopped while it waited for the tape.
package struct ReadingStopped: Error {
    package init() {}
}

/// The packets of a range of a source's tape: each of its streams in the stream's own order, and
/// the streams merged by the time at which packets were sent.
///
/// The result follows from the tape alone, so a second reading gives the same. Memory: some packets
/// per stream.
package final class RecordedRange: RecordedTape {
    /// The largest difference between the times of sending and storing, because hosts' clocks
    /// differ.
    package static let clockNanoseconds: Int64 = 60_000_000_000
    /// How much earlier than its end, by the clock of the tape, a window may be closed. So bars are
    /// read from so much before the range on, and those of its first windows are complete. Gateways
    /// refuse ticks that are further ahead (`GATEWAY_FUTURE_MAX`, 2 s if not set).
    static let aheadNanoseconds: Int64 = 10_000_000_000
    /// The most packets of a stream that wait for those of other streams, beside those of one pull.
    private static let waitingMax = 32
    /// The longest wait for packets before `isStopped` is asked again.
    private static let waitMax = Duration.milliseconds(20)
    /// After this time, everything that was sent before is on the tape.
    package static let settledNanoseconds: Int64 = 5_000_000_000

    /// The packets of one stream that wait.
    private struct StreamPackets {
        var waiting: [RecordedPacket] = []
        /// How many of them `next` has returned.
        var taken = 0

        /// The next one; `nil`: none waits.
        var head: RecordedPacket? { taken < waiting.count ? waiting[taken] : nil }
    }

    package let about: RecordingInfo
    package private(set) var missing = MissingTicks()
    package private(set) var missingBars = MissingTicks(of: .bars)
    private let client: TapeClient
    private let names: TapeNames
    /// Up to when the bars are read completely; `nil`: they are not read.
    private let barsTo: Timestamp?
    private let barsFrom: Timestamp
    private var times = TapeTimes()
    private var bars = BarProgress()
    private let reader: RangeReader
    private let isStopped: () -> Bool
    /// One for each range of the reader.
    private var streams: [StreamPackets] = []

    /// Connects, and reads which streams exist.
    package init(
        _ range: TapeRange, telemetry: TelemetryHub, created: Timestamp,
        isStopped: @escaping () -> Bool
    ) throws {
        self.isStopped = isStopped
        // The tape itself contains its number of partitions.
        guard let unknown = TapeNames(namespace: range.namespace, partitions: 1) else {
            throw TapeRangeError("\(range.namespace) is no namespace")
        }
        client = try TapeClient(
            range.nats, names: unknown, telemetry: telemetry, readiness: Readiness())
        do {
            names = try Self.names(client, range.namespace)
            let plan = try RangePlan(range, names, client)
            about = RecordingInfo(
                namespace: range.namespace, partitions: names.partitions, source: range.source,
                from: range.from, to: range.to, created: created, present: plan.present,
                symbols: range.symbols, hasBars: range.hasBars)
            barsFrom = Self.barsFrom(of: range)
            barsTo = plan.barsTo
            reader = try RangeReader(client, group: "replay")
            missing = plan.missing
            missingBars = plan.missingBars
            let start: ReaderLane.Start =
                range.from.isDefined ? .time(Self.start(of: range)) : .first
            for stream in plan.streams {
                let input = TapeReaders.Input(
                    partition: Partition(stream.index), stream: stream.name,
                    filters: stream.filters, spansPartitions: true)
                try reader.open(input, from: start, to: .sequence(stream.end))
                streams.append(StreamPackets())
            }
        } catch {
            let refusal = RangeReader.refusal(client)
            client.close()
            throw refusal ?? error
        }
    }

    /// Returns the time of the tape at which reading begins: earlier than the range by the largest
    /// difference of clocks.
    static func start(of range: TapeRange) -> Timestamp {
        range.from.advanced(byNanoseconds: -clockNanoseconds)
    }

    /// Returns when the first bars of the range were taken; undefined: at the tape's beginning.
    package static func barsFrom(of range: TapeRange) -> Timestamp {
        range.from.advanced(byNanoseconds: -aheadNanoseconds)
    }

    package func close() {
        reader.close()
        client.close()
    }

    /// Returns the names of a tape with its number of partitions, which its streams state.
    private static func names(_ client: TapeClient, _ namespace: String) throws -> TapeNames {
        let stream = client.names.tickStream(0)
        guard let info = try client.jetStream.streamInfo(stream) else {
            throw TapeRangeError("there is no stream \(stream): no tape of \(namespace)")
        }
        guard let count = info.configuration.metadata["tapeline.partitions"].flatMap({ Int($0) }),
            let names = TapeNames(namespace: namespace, partitions: count)
        else { throw TapeRangeError("stream \(stream) does not say how many partitions it is of") }
        return names
    }

    // MARK: reading

    package func next() throws -> RecordedPacket? {
        while true {
            if let stream = due() { return try take(stream) }
            if reader.isOver, streams.allSatisfy({ $0.head == nil }) { return nil }
            if isStopped() { throw ReadingStopped() }
            try reader.receive(timeout: Self.waitMax) { try took($0) }
        }
    }

    /// Returns the stream whose packet was sent first; `nil` when another one may still bring an
    /// earlier one.
    private func due() -> Int? {
        var first: Int?
        for index in streams.indices {
            guard let head = streams[index].head else {
                if reader.isOver(index) { continue }
                return nil
            }
            guard let known = first, let best = streams[known].head else {
                first = index
                continue
            }
            if head.header.sendTime < best.header.sendTime { first = index }
        }
        return first
    }

    /// Returns the stream's next packet. When none is left, further ones are read.
    private func take(_ index: Int) throws -> RecordedPacket {
        let packet = streams[index].waiting[streams[index].taken]
        streams[index].taken += 1
        if streams[index].taken == streams[index].waiting.count {
            streams[index].waiting.removeAll(keepingCapacity: true)
            streams[index].taken = 0
            if !reader.isOver(index) { try reader.release(index) { try took($0) } }
        }
        return packet
    }

    /// Keeps a packet if it is in the range. A stream that is after the range ends, and one with
    /// enough packets is held back.
    private func took(_ packet: RangeReader.Packet) throws {
        let header = try packet.header.get()
        let knownAt = times.took(header, at: packet.time)
        // Bars are of the range when the tape took them in it, which is when they were known.
        let isOfBars = header.kind == .bars
        let isInRange =
            isOfBars
            ? isInRange(knownAt, from: barsFrom) : isInRange(header.sendTime, from: about.from)
        missing.took(header, isInRange: isInRange)
        missingBars.took(header, isInRange: isInRange)
        if isOfBars, knownAt < about.to { bars.took(header, at: knownAt, isInRange: isInRange) }
        if isInRange {
            streams[packet.range].waiting.append(
                try RecordedPacket(packet.message.payload, knownAt: knownAt))
        }
        if isFarAfterRange(isOfBars ? packet.time : header.sendTime) {
            reader.end(packet.range)
        } else if streams[packet.range].waiting.count >= Self.waitingMax {
            reader.hold(packet.range)
        }
    }

    private func isInRange(_ time: Timestamp, from: Timestamp) -> Bool {
        time < about.to && (!from.isDefined || time >= from)
    }

    /// Returns whether no later packet of the stream can be in the range. A stream is in the order
    /// of storing, so times of sending may go back by a difference of clocks, and so may the clock
    /// of the server.
    private func isFarAfterRange(_ time: Timestamp) -> Bool {
        about.to.nanoseconds < Int64.max - Self.clockNanoseconds
            && time.nanoseconds >= about.to.nanoseconds + Self.clockNanoseconds
    }

    /// Returns which bars were read completely, of each partition that is present. Call it after
    /// the last packet: what the tape still has then, it had during the reading.
    package func completeBars() throws -> [RecordedBars] {
        guard let barsTo else { return [] }
        return try about.present.map { partition in
            let message = try client.jetStream.firstMessage(
                stream: names.barStream, from: 1, subject: names.bars(partition))
            guard let message else { return RecordedBars(partition) }
            // Nothing of the range was before it.
            let isEarly =
                try StoredPacket(message).header.firstOrdinal <= 1
                || barsFrom.isDefined && message.time < barsFrom
            return bars.complete(
                partition, from: barsFrom, to: barsTo, afterStart: !isEarly)
        }
    }
}
