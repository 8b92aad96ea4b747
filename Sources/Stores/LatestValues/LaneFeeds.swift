internal import MarketModel
internal import Primitives
internal import TapeCodec
internal import TapeProtocol
package import TapeTransport

extension LatestValue {
    /// A lane of the tape.
    struct Place: Hashable {
        let source: SourceName
        let partition: Partition
    }

    /// The lane of the value; `nil`: there is no value, or its place is not known.
    var place: Place? {
        guard let lane, let partition else { return nil }
        return Place(source: lane, partition: partition)
    }
}

extension [LatestValue] {
    /// Adds what the tape says of the feeds. Blocks. It is called after the values were read, so
    /// that no record of before is missed.
    package mutating func addFeeds(_ client: TapeClient) throws {
        let lanes = Array<LatestValue.Place>(Set(compactMap(\.place)))
        guard !lanes.isEmpty else { return }
        let packets = try client.lastPacketOfEach(
            lanes.flatMap { LatestValue.Feed.places(of: $0.source, $0.partition, client.names) })
        var feeds: [LatestValue.Place: LatestValue.Feed] = [:]
        for (index, lane) in lanes.enumerated() {
            feeds[lane] = LatestValue.Feed(
                packets[index * 2]?.header, promise: packets[index * 2 + 1]?.header)
        }
        for index in indices { self[index].feed = self[index].place.flatMap { feeds[$0] } }
    }
}

extension LatestValue.Feed {
    /// Returns where the last packets of a lane and of its source's watermarks are.
    static func places(
        of source: SourceName, _ partition: Partition, _ names: TapeNames
    ) -> [(stream: String, subject: String)] {
        if source == .operator || source == .universe {
            let output = (stream: names.barStream, subject: names.derived(partition, source))
            return [output, output]
        }
        let index = names.streamIndex(of: partition)
        let stream = names.tickStream(index)
        return [
            (stream: stream, subject: names.ticks(partition, source)),
            (stream: stream, subject: names.watermarks(stream: index, source)),
        ]
    }

    /// By the last packet of records, and the last one of the source's watermarks.
    init(_ records: PacketHeader?, promise: PacketHeader?) {
        for header in [records, promise].compactMap({ $0 }) {
            // A marker promises nothing.
            if header.watermark.isDefined, header.watermark.nanoseconds != Int64.min {
                watermark =
                    watermark.isDefined ? max(watermark, header.watermark) : header.watermark
            }
            sentAt = sentAt.isDefined ? max(sentAt, header.sendTime) : header.sendTime
        }
        if let records {
            ordinal = records.firstOrdinal &+ UInt64(records.tickCount) &- 1
            recordsAt = records.sendTime
        }
        if let promise, promise.retiresSource, promise.epoch >= records?.epoch ?? 0 {
            isRetired = true
        }
    }
}
