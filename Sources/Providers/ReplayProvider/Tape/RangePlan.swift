internal import MarketModel
internal import NatsTransport
internal import Primitives
internal import Recordings
internal import TapeCodec
internal import TapeProtocol
internal import TapeTransport

/// The streams and partitions to read, and where each ends.
struct RangePlan {
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
    private(set) var missingBars = MissingTicks(of: .bars)
    /// Up to when bars can be read completely: the end of the range, or the server's time if that
    /// is earlier. `nil`: the tape has no stream of bars, or they are not wanted, or the server
    /// does not tell its time.
    private(set) var barsTo: Timestamp?

    init(_ range: TapeRange, _ names: TapeNames, _ client: TapeClient) throws {
        let wanted = Set(range.symbols.map { names.partition(of: $0) })
        for index in 0..<TapeNames.tickStreams {
            let name = names.tickStream(index)
            var ends: [UInt64] = []
            var filters: [String] = []
            var isWanted = false
            for number in stride(
                from: index, to: names.partitions, by: TapeNames.tickStreams)
            {
                let partition = Partition(number)
                guard wanted.isEmpty || wanted.contains(partition) else { continue }
                isWanted = true
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
            guard isWanted else { continue }
            // Without ticks, too: they tell how far the source is in these partitions.
            let watermarks = names.watermarks(stream: index, range.source)
            if let last = try client.lastPacket(stream: name, subject: watermarks) {
                filters.append(watermarks)
                if Self.mayReachRange(last.header, range) { ends.append(last.last.sequence) }
            }
            guard let end = ends.max() else { continue }
            streams.append(Stream(index: index, name: name, filters: filters, end: end))
        }
        present.sort()
        if range.hasBars { try addBars(range, names, client) }
    }

    /// Adds the bars of the partitions that are present.
    private mutating func addBars(
        _ range: TapeRange, _ names: TapeNames, _ client: TapeClient
    ) throws {
        let name = names.barStream
        guard let info = try client.jetStream.streamInfo(name) else { return }
        if info.answered.isDefined { barsTo = min(range.to, info.answered) }
        var filters: [String] = []
        var end: UInt64 = 0
        for partition in present {
            let subject = names.bars(partition)
            guard let last = try client.jetStream.lastMessage(stream: name, subject: subject)
            else { continue }
            filters.append(subject)
            // Reading does not come to a packet from before its start.
            if range.from.isDefined, last.time < RecordedRange.start(of: range) { continue }
            end = max(end, last.sequence)
            guard
                let message = try client.jetStream.firstMessage(
                    stream: name, from: 1, subject: subject)
            else { continue }
            // Otherwise what was purged was taken before the range.
            guard !range.from.isDefined || message.time >= RecordedRange.barsFrom(of: range)
            else { continue }
            missingBars.begins(partition, at: try StoredPacket(message).header.firstOrdinal)
        }
        guard end > 0 else { return }
        streams.append(
            Stream(index: TapeNames.tickStreams, name: name, filters: filters, end: end))
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
        // Every packet before this one was sent before it, and maybe in the range.
        guard Self.mayReachRange(first, range) else { return }
        missing.begins(partition, at: first.firstOrdinal)
    }

    /// Returns false when the last packet was sent before the range, because then no later one
    /// exists.
    private static func mayReachRange(_ last: PacketHeader, _ range: TapeRange) -> Bool {
        !range.from.isDefined || last.sendTime >= range.from
    }
}
