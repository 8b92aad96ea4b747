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

    package init(
        nats: NatsConfiguration, namespace: String, source: SourceName, from: Timestamp,
        to: Timestamp, symbols: [Symbol] = []
    ) {
        self.nats = nats
        self.namespace = namespace
        self.source = source
        self.from = from
        self.to = to
        self.symbols = symbols
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
    private let client: TapeClient
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
            let names = try Self.names(client, range.namespace)
            let plan = try RangePlan(range, names, client)
            about = RecordingInfo(
                namespace: range.namespace, partitions: names.partitions, source: range.source,
                from: range.from, to: range.to, created: created, present: plan.present,
                symbols: range.symbols)
            reader = try RangeReader(client, group: "replay")
            missing = plan.missing
            let start: ReaderLane.Start =
                range.from.isDefined
                ? .time(range.from.advanced(byNanoseconds: -Self.clockNanoseconds)) : .first
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
        let isInRange = isInRange(header)
        missing.took(header, isInRange: isInRange)
        if isInRange {
            streams[packet.range].waiting.append(try RecordedPacket(packet.message.payload))
        }
        if isFarAfterRange(header) {
            reader.end(packet.range)
        } else if streams[packet.range].waiting.count >= Self.waitingMax {
            reader.hold(packet.range)
        }
    }

    private func isInRange(_ header: PacketHeader) -> Bool {
        header.sendTime < about.to && (!about.from.isDefined || header.sendTime >= about.from)
    }

    /// Returns whether no later packet of the stream can be in the range. A stream is in the order
    /// of storing, so times of sending may go back by a difference of clocks.
    private func isFarAfterRange(_ header: PacketHeader) -> Bool {
        about.to.nanoseconds < Int64.max - Self.clockNanoseconds
            && header.sendTime.nanoseconds >= about.to.nanoseconds + Self.clockNanoseconds
    }
}

/// The streams and partitions to read, and where each ends.
private struct RangePlan {
    struct Stream {
        let index: Int
        let name: String
        /// The subjects to read.
        let filters: [String]
        /// The sequence of the last packet to read.
        let end: UInt64
    }

    private(set) var present: [Partition] = []
    private(set) var streams: [Stream] = []
    private(set) var missing = MissingTicks()

    init(_ range: TapeRange, _ names: TapeNames, _ client: TapeClient) throws {
        let wanted = Set(range.symbols.map { names.partition(of: $0) })
        for index in 0..<TapeNames.tickStreams {
            let name = names.tickStream(index)
            var ends: [UInt64] = []
            var filters: [String] = []
            for number in stride(
                from: index, to: names.partitions, by: TapeNames.tickStreams)
            {
                let partition = Partition(number)
                guard wanted.isEmpty || wanted.contains(partition) else { continue }
                let subject = names.ticks(partition, range.source)
                guard let last = try client.lastPacket(stream: name, subject: subject) else {
                    continue
                }
                present.append(partition)
                filters.append(subject)
                guard Self.mayReachRange(last.header, range) else { continue }
                ends.append(last.last.sequence)
                try note(partition, name, subject, range, client)
            }
            guard !filters.isEmpty else { continue }
            let watermarks = names.watermarks(stream: index, range.source)
            if let last = try client.lastPacket(stream: name, subject: watermarks) {
                filters.append(watermarks)
                if Self.mayReachRange(last.header, range) { ends.append(last.last.sequence) }
            }
            guard let end = ends.max() else { continue }
            streams.append(Stream(index: index, name: name, filters: filters, end: end))
        }
        present.sort()
    }

    /// Notes what was purged from the partition.
    private mutating func note(
        _ partition: Partition, _ stream: String, _ subject: String, _ range: TapeRange,
        _ client: TapeClient
    ) throws {
        guard
            let message = try client.jetStream.firstMessage(
                stream: stream, from: 1, subject: subject)
        else { return }
        let first = try StoredPacket(message).header
        // Every packet before this one was sent before it.
        guard first.sendTime < range.to, Self.mayReachRange(first, range) else { return }
        missing.begins(partition, at: first.firstOrdinal)
    }

    /// Returns false when the last packet was sent before the range, because then no later one
    /// exists.
    private static func mayReachRange(_ last: PacketHeader, _ range: TapeRange) -> Bool {
        !range.from.isDefined || last.sendTime >= range.from
    }
}
